// OpenAI's own client for JavaScript: every format, events, models; and LobeChat's call, which is made with it.
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: 'not-needed', maxRetries: 0 });
const heard = {};
for (const response_format of ['mp3', 'opus', 'aac', 'flac', 'wav', 'pcm']) {
  const answer = await client.audio.speech.create({
    model: 'gpt-4o-mini-tts', voice: 'coral', input: `In ${response_format}.`, response_format, speed: 1.5,
  });
  heard[response_format] = (await answer.arrayBuffer()).byteLength;
}
const streamed = await client.audio.speech.create({
  model: 'gpt-4o-mini-tts', voice: { id: 'alloy' }, input: 'First sentence. Second sentence.', stream_format: 'sse',
});
const events = (await streamed.text()).split('\n\n').filter(Boolean).map((one) => JSON.parse(one.replace(/^data: /, '')));
const lobe = await client.audio.speech.create(
  { input: 'Hello from LobeChat.', model: 'tts-1', voice: 'alloy' }, { headers: { Accept: '*/*' } },
);
const models = [];
for await (const model of client.models.list()) models.push(model.id);
let refused;
try {
  await client.audio.speech.create({ model: 'tts-1', voice: 'nobody', input: 'Hello.' });
} catch (error) {
  refused = { status: error.status, code: error.code };
}
console.log(JSON.stringify({
  heard, models, refused, types: events.map((one) => one.type), usage: events.at(-1).usage,
  lobe: (await lobe.arrayBuffer()).byteLength,
}));
