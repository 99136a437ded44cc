/** A path of turns as the messages of a chat request. */

import { contentOf, picturesOf } from "./pictures.js";
import { samplingFields } from "./settings.js";
import { VERBS } from "./verbs.js";

/** Return the body of a chat request that asks for the answer to the last of these turns. */
export async function chatRequest(model, turns, settings) {
  const messages = await Promise.all(turns.map((turn) => messageOf(turn, settings)));
  const said = messages.filter((message) => message.content.length > 0); // an answer that failed says nothing
  const system = settings.system.trim() ? [{ role: "system", content: settings.system }] : [];
  return {
    model,
    messages: [...system, ...joined(said)],
    stream: true,
    stream_options: { include_usage: true },
    ...samplingFields(settings),
    vl2: { boxes: "unit" },
  };
}

async function messageOf(turn, settings) {
  if (turn.role === "assistant") return { role: turn.role, content: turn.text ?? "" };
  const text = VERBS[turn.verb].mention(turn, settings);
  const pictures = picturesOf(turn.pictures);
  if (!pictures.length) return { role: turn.role, content: text };
  const urls = await Promise.all(pictures.map(contentOf));
  const images = urls.map((url) => ({ type: "image_url", image_url: { url } }));
  return { role: turn.role, content: text ? [...images, { type: "text", text }] : images };
}

/** Join neighbours of one role, which stand where an answer failed: roles alternate for the model. */
function joined(messages) {
  const result = [];
  for (const message of messages) {
    const last = result.at(-1);
    if (last?.role !== message.role) result.push({ ...message });
    else last.content = [...parts(last.content), { type: "text", text: "\n" }, ...parts(message.content)];
  }
  return result;
}

const parts = (content) => (typeof content === "string" ? [{ type: "text", text: content }] : content);
