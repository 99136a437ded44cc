/** The verbs of the composer: what a person types, what it says in the conversation, what it asks the model. */

const REF = ["<|ref|>", "<|/ref|>"]; // around a phrase whose boxes are wanted
const GROUNDING = "<|grounding|>"; // asks for an answer that says where

/** Lengths of a description, as `/v1/caption` knows them. */
export const LENGTHS = ["short", "normal", "long"];

/**
 * `text` is what the verb needs typed (null: nothing), `picture` whether it needs one.
 * `mention` is the text that stands for the turn in the conversation that the model reads.
 */
export const VERBS = {
  ask: {
    label: "Ask",
    hint: "Ask anything about your pictures",
    text: "question",
    placeholder: "Ask about a picture",
    mention: (turn, settings) => (settings.grounded ? `${GROUNDING}${turn.text}` : turn.text),
  },
  find: {
    label: "Find",
    hint: "Get boxes around what you name",
    text: "phrase",
    placeholder: "Name what to find, as in “blue house”",
    picture: true,
    mention: (turn) => REF.join(turn.text),
  },
  point: {
    label: "Point",
    hint: "Get the middle of what you name",
    text: "phrase",
    placeholder: "Name what to point at, as in “blue house”",
    picture: true,
    mention: (turn) => REF.join(turn.text),
  },
  describe: {
    label: "Describe",
    hint: "Get a description of the newest picture",
    text: null,
    placeholder: "",
    picture: true,
    mention: () => "Describe the picture.",
  },
  read: {
    label: "Read",
    hint: "Get the text of the newest picture, beside it",
    text: null,
    placeholder: "",
    picture: true,
  },
};
