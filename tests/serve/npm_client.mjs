// The npm client of OpenAI against a server: node npm_client.mjs ADDRESS IMAGE_URL. Prints what it got as JSON.
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(join(process.env.VL2_NODE_MODULES, "here.js")));
const OpenAI = require("openai");

const [address, image] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: "none", maxRetries: 0 });
const asked = (text, url) => [
  {
    role: "user",
    content: [...(url ? [{ type: "image_url", image_url: { url } }] : []), { type: "text", text }],
  },
];
const found = {};

const chat = await client.chat.completions.create({ model: "pocket", messages: asked("Hello."), max_tokens: 8 });
found.chat = { text: chat.choices[0].message.content, usage: chat.usage };

const shown = await client.chat.completions.create({
  model: "pocket", messages: asked("<|ref|>blue house<|/ref|>", image), vl2: { boxes: "thousand" },
});
found.image = { text: shown.choices[0].message.content, grounding: shown.choices[0].message.grounding };

const stream = await client.chat.completions.create({
  model: "pocket", messages: asked("<|ref|>blue house<|/ref|>", image), stream: true,
  stream_options: { include_usage: true },
});
found.stream = { pieces: [], usage: null, reason: null };
for await (const chunk of stream) {
  if (chunk.choices[0]?.delta.content) found.stream.pieces.push(chunk.choices[0].delta.content);
  found.stream.reason = chunk.choices[0]?.finish_reason ?? found.stream.reason;
  found.stream.usage = chunk.usage ?? found.stream.usage;
}

const schema = {
  type: "object", properties: { color: { enum: ["red", "blue"] }, count: { type: "integer", minimum: 0, maximum: 9 } },
  required: ["color", "count"], additionalProperties: false,
};
const fitted = await client.chat.completions.create({
  model: "pocket", messages: asked("What is there?", image), max_tokens: 200,
  response_format: { type: "json_schema", json_schema: { name: "counted", schema, strict: true } },
});
found.schema = JSON.parse(fitted.choices[0].message.content);

const sure = await client.chat.completions.create({
  model: "pocket", messages: asked("Hello."), max_tokens: 4, logprobs: true, top_logprobs: 2,
});
found.logprobs = sure.choices[0].logprobs.content;

const input = [
  { role: "user", content: [{ type: "input_image", image_url: image }, { type: "input_text", text: "Describe it." }] },
];
const response = await client.responses.create({ model: "pocket", input, max_output_tokens: 20 });
found.response = { status: response.status, text: response.output_text };

found.events = [];
for await (const event of await client.responses.create({ model: "pocket", input, max_output_tokens: 20, stream: true }))
  found.events.push([event.type, event.delta ?? null]);

try {
  await client.chat.completions.create({ model: "nothing", messages: asked("Hello.") });
} catch (error) {
  found.error = { is_not_found: error instanceof OpenAI.NotFoundError, status: error.status, code: error.code };
}
found.models = (await client.models.list()).data.map((model) => model.id);

console.log(JSON.stringify(found));
