// Vercel's AI SDK with its OpenAI provider.
import { createOpenAI } from '@ai-sdk/openai';
import { experimental_generateSpeech as generateSpeech } from 'ai';

const provider = createOpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: 'not-needed' });
const sizes = [];
for (const model of ['tts-1', 'gpt-4o-mini-tts']) {
  const { audio } = await generateSpeech({ model: provider.speech(model), text: 'Hello from the AI SDK.', maxRetries: 0 });
  sizes.push({ bytes: audio.uint8Array.length, type: audio.mediaType });
}
console.log(JSON.stringify({ sizes }));
