/** Answers: ask the server, take in what streams back, stop, and tell the views. */

import { post, postForStream } from "./api.js";
import { addTurn, dropTurn, path, pathTo, picturesIn } from "./conversation.js";
import { saveConversation } from "./history.js";
import { contentOf, pictureOf } from "./pictures.js";
import { samplingFields } from "./settings.js";
import { chunks } from "./stream.js";
import { chatRequest } from "./wire.js";

const SAVE_EVERY_MS = 500;
const running = new Map(); // id of an answer -> AbortController

/** "turn": an answer changed; "path": turns came or went. `detail` holds the conversation and the turn. */
export const changes = new EventTarget();

/** Return the answer that is being written in what a conversation shows. */
export const runningIn = (conversation) => path(conversation).find((turn) => running.has(turn.id));
export const isRunning = (turn) => running.has(turn.id);

/** Stop an answer; what has come stays. */
export const stop = (turn) => running.get(turn.id)?.abort();

/** Add a question below `parent`, then its answer. */
export function ask(conversation, model, parent, fields) {
  const question = addTurn(conversation, parent, { role: "user", ...fields });
  return answer(conversation, model, question);
}

/** Answer a question again, beside the answers it has; one that failed without a word makes room. */
export function retry(conversation, model, turn) {
  const question = conversation.turns[turn.parent];
  if (turn.state === "failed" && !turn.text) dropTurn(conversation, turn);
  return answer(conversation, model, question);
}

async function answer(conversation, model, question) {
  const turn = addTurn(conversation, question.id, {
    role: "assistant",
    verb: question.verb,
    model,
    text: "",
    grounding: [],
    state: "running",
  });
  const control = new AbortController();
  running.set(turn.id, control);
  const saved = saveConversation(conversation);
  tell("path", conversation, turn);
  await saved;
  try {
    await WAYS[question.verb](new Writing(conversation, turn), question, control.signal);
    turn.state = "done";
  } catch (error) {
    turn.state = control.signal.aborted ? "stopped" : "failed";
    if (turn.state === "failed")
      turn.error = { message: error.message, status: error.status ?? null, retryAfter: error.retryAfter ?? null };
  }
  running.delete(turn.id);
  tell("turn", conversation, turn);
  await saveConversation(conversation);
}

/** One answer while it is written. */
class Writing {
  constructor(conversation, turn) {
    Object.assign(this, { conversation, turn, started: performance.now(), saved: performance.now() });
  }

  /** Take in one chunk of a stream; its images are counted from `firstImage` on. */
  take(chunk, firstImage) {
    const { delta = {}, finish_reason } = chunk.choices?.[0] ?? {};
    if (delta.content) this.add(delta.content);
    for (const entry of delta.grounding ?? []) this.ground({ ...entry, image: entry.image + firstImage });
    if (finish_reason) this.turn.finish = finish_reason;
    if (chunk.usage) this.turn.usage = chunk.usage;
    tell("turn", this.conversation, this.turn);
    this.saveNowAndThen();
  }

  add(text) {
    const timing = (this.turn.timing ??= { first: performance.now() - this.started, pieces: 0 });
    timing.last = performance.now() - this.started;
    timing.pieces += 1;
    this.turn.text += text;
  }

  /** Take in what is known of a grounded phrase; it replaces what was known of it before. */
  ground(entry) {
    const { grounding } = this.turn;
    const place = grounding.findIndex((known) => known.span[0] === entry.span[0]);
    if (place >= 0) grounding[place] = entry;
    else grounding.push(entry);
  }

  /** Take in an answer that came whole. */
  whole({ text, usage }) {
    Object.assign(this.turn, { text, usage });
    this.turn.timing = { whole: performance.now() - this.started };
  }

  saveNowAndThen() {
    if (performance.now() - this.saved < SAVE_EVERY_MS) return;
    this.saved = performance.now();
    saveConversation(this.conversation);
  }
}

async function asked(writing, question, signal) {
  const { conversation } = writing;
  await streamed(writing, pathTo(conversation, question.id), signal);
}

/** Find in the newest picture alone: what was said before would only distract. */
async function found(writing, question, signal) {
  const { id, image } = newestPicture(writing.conversation, question);
  await streamed(writing, [{ ...question, pictures: [id] }], signal, image);
}

async function streamed(writing, turns, signal, firstImage = 0) {
  const { conversation, turn } = writing;
  const body = await chatRequest(turn.model, turns, conversation.settings);
  const response = await postForStream("/v1/chat/completions", body, signal);
  for await (const chunk of chunks(response)) writing.take(chunk, firstImage);
}

async function pointed(writing, question, signal) {
  const { body, image } = await aboutOne(writing, question);
  const answer = await post("/v1/point", { ...body, object: question.text }, signal);
  writing.whole(answer);
  writing.turn.points = answer.points.map(({ label, unit }) => ({ label, unit, image }));
}

async function described(writing, question, signal) {
  const { body } = await aboutOne(writing, question);
  writing.whole(await post("/v1/caption", { ...body, length: question.length }, signal));
}

const WAYS = { ask: asked, find: found, point: pointed, describe: described };

/** Return what the requests about one picture share, and the place of the picture among all. */
async function aboutOne({ conversation, turn }, question) {
  const { id, image } = newestPicture(conversation, question);
  const image_url = await contentOf(pictureOf(id));
  return { body: { model: turn.model, image_url, ...samplingFields(conversation.settings) }, image };
}

function newestPicture(conversation, question) {
  const ids = picturesIn(pathTo(conversation, question.id));
  return { id: ids.at(-1), image: ids.length - 1 };
}

function tell(name, conversation, turn) {
  changes.dispatchEvent(new CustomEvent(name, { detail: { conversation, turn } }));
}
