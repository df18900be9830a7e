"""A model of CosyVoice 2 with small random weights: `python weights.py FOLDER`, in the real engine's environment.

The package's own classes are built from `cosyvoice2.yaml` beside this file and their state saved, so every name and
shape is the package's. It says nothing intelligible; lengths, rates, sessions and errors are those of the real code.

| file | content |
| --- | --- |
| `cosyvoice2.yaml` | the small configuration |
| `llm.pt`, `flow.pt`, `hift.pt` | state of the networks; also as `*-original.pt`, where this package looks |
| `CosyVoice-BlankEN/` | a Qwen2 of two layers, 64 wide, and a tokenizer whose tokens are the 256 bytes |
| `campplus.onnx` | features (1, frames, 80) float32 → embedding (1, 192) float32 |
| `speech_tokenizer_v2.onnx` | log mel (1, 128, frames) float32, frames (1) int32 → tokens (1, frames / 4) int32 |
| `spk2info.pt` | one preset speaker, with an embedding (1, 192) |
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from hyperpyyaml import load_hyperpyyaml
from onnx import TensorProto, helper, numpy_helper
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

SEED = 20261127
CONFIGURATION = Path(__file__).with_name("cosyvoice2.yaml")
PARTS = ("llm", "flow", "hift")
SPEAKER = "中文女"
EMBEDDING = 192
SPEECH_TOKENS = 6561
# The tokens of a text and the tokenizer's own, of which the package adds some twenty.
TEXT_TOKENS = 320
# Random weights give each token the same chance; the end must come before the package's longest length.
END_ADVANTAGE = 6.0
ONNX_VERSIONS = {"ir_version": 8, "opset_imports": [helper.make_opsetid("", 17)]}


def save_language_model(folder: Path) -> None:
    """Qwen2 with its tokenizer, in the form that transformers loads."""
    width = 64
    config = Qwen2Config(
        vocab_size=TEXT_TOKENS,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokens = {character: number for number, character in enumerate(bytes_to_unicode().values())}
    tokens["<|endoftext|>"] = len(tokens)
    (folder / "vocab.json").write_text(json.dumps(tokens), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "Qwen2Tokenizer"}', "utf-8")


def save_networks(folder: Path) -> None:
    """The package's three networks, as its configuration builds them."""
    with CONFIGURATION.open(encoding="utf-8") as file:
        parts = load_hyperpyyaml(file, overrides={"qwen_pretrain_path": str(folder / "CosyVoice-BlankEN")})
    with torch.no_grad():
        parts["llm"].llm_decoder.bias[SPEECH_TOKENS] += END_ADVANTAGE
    for name in PARTS:
        torch.save(parts[name].state_dict(), folder / f"{name}.pt")
        (folder / f"{name}-original.pt").hardlink_to(folder / f"{name}.pt")


def tensor(name: str, values: Any, kind: Any = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, kind), name)


def save_graph(path: Path, nodes: list[Any], inputs: list[Any], output: Any, constants: list[Any]) -> None:
    model = helper.make_model(helper.make_graph(nodes, path.stem, inputs, [output], constants), **ONNX_VERSIONS)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def save_speaker_network(path: Path, random: np.random.Generator) -> None:
    """The mean of the features over time, projected."""
    nodes = [
        helper.make_node("ReduceMean", ["features"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["embedding"]),
    ]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, "frames", 80])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, EMBEDDING])
    save_graph(path, nodes, [features], embedding, [tensor("weight", random.normal(size=(80, EMBEDDING)))])


def save_speech_tokenizer(path: Path, random: np.random.Generator) -> None:
    """A projection of each four frames of the log mel, whose size names the token."""
    nodes = [
        helper.make_node("Slice", ["mel", "start", "frames", "axis"], ["said"]),
        helper.make_node("Conv", ["said", "weight"], ["projection"], kernel_shape=[4], strides=[4]),
        helper.make_node("Mul", ["projection", "scale"], ["scaled"]),
        helper.make_node("Abs", ["scaled"], ["size"]),
        helper.make_node("Cast", ["size"], ["whole"], to=TensorProto.INT32),
        helper.make_node("Mod", ["whole", "tokens"], ["number"]),
        helper.make_node("Squeeze", ["number", "axis_1"], ["speech_tokens"]),
    ]
    constants = [
        tensor("weight", random.normal(size=(1, 128, 4))),
        tensor("scale", 1000.0),
        tensor("tokens", SPEECH_TOKENS, np.int32),
        tensor("start", [0], np.int32),
        tensor("axis", [2], np.int32),
        tensor("axis_1", [1], np.int64),
    ]
    mel = helper.make_tensor_value_info("mel", TensorProto.FLOAT, [1, 128, "time"])
    frames = helper.make_tensor_value_info("frames", TensorProto.INT32, [1])
    tokens = helper.make_tensor_value_info("speech_tokens", TensorProto.INT32, [1, "length"])
    save_graph(path, nodes, [mel, frames], tokens, constants)


def main(folder: Path) -> None:
    """Fill an empty folder; the same bytes of weights each time."""
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    (folder / "CosyVoice-BlankEN").mkdir(parents=True)
    shutil.copyfile(CONFIGURATION, folder / CONFIGURATION.name)
    save_language_model(folder / "CosyVoice-BlankEN")
    save_networks(folder)
    save_speaker_network(folder / "campplus.onnx", random)
    save_speech_tokenizer(folder / "speech_tokenizer_v2.onnx", random)
    embedding = torch.from_numpy(random.normal(size=(1, EMBEDDING)).astype(np.float32))
    torch.save({SPEAKER: {"embedding": embedding}}, folder / "spk2info.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
