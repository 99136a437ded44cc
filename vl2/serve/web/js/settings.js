/** How answers are made: the values, what new conversations begin with, and the chosen model. */

const KEY = "vl2.settings";
const MODEL_KEY = "vl2.model";

/** A temperature of 0 takes the likeliest token; without a seed every sample differs. */
export const DEFAULTS = { system: "", temperature: 0, topP: 1, maxTokens: 512, seed: null, grounded: false };

/** Return the settings of a new conversation: those used last. */
export function lastSettings() {
  return { ...DEFAULTS, ...read(KEY) };
}

/** Let new conversations begin with these settings; the system prompt stays with its own. */
export function rememberSettings(settings) {
  write(KEY, { ...settings, system: "" });
}

/** Return the chosen model, or the first one when the server does not have it. */
export function chosenModel(models) {
  const model = read(MODEL_KEY);
  return models.includes(model) ? model : models[0];
}

export const chooseModel = (model) => write(MODEL_KEY, model);

/** Return the settings as fields of a chat request. */
export function samplingFields(settings) {
  return {
    temperature: settings.temperature,
    top_p: settings.topP,
    ...(settings.maxTokens !== null && { max_tokens: settings.maxTokens }),
    ...(settings.seed !== null && { seed: settings.seed }),
  };
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null; // nothing stored, or storage is blocked
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // storage is blocked: it holds until the page is left
  }
}
