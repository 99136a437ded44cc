/** Server-sent events: the chunks of a streamed answer, one parsed object each. */

import { ApiError } from "./api.js";

const END = "[DONE]";

/** Yield the objects of a response until its end mark. Raises ApiError on an error sent amid the stream. */
export async function* chunks(response) {
  for await (const data of payloads(response)) {
    if (data === END) return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(chunk.error.message, { status: response.status, param: chunk.error.param });
    yield chunk;
  }
  throw new ApiError("The answer broke off: the connection was closed before its end.");
}

/** Yield the data of each event; comments and other fields are passed over. */
async function* payloads(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      // a carriage return at the very end may be half of a line end: it waits for its line feed
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      yield* eventsOf(lines);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Every event of this server is one line of data, so a line is an event.
function* eventsOf(lines) {
  for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
}
