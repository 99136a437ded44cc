/** Numbers and times as people read them. */

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });

/** Return 1234 as "1,234" and 3.14 as "3.1". */
export const number = (value) => (value >= 10 || Number.isInteger(value) ? whole : fine).format(value);

/** Return milliseconds as "240 ms" or "1.3 s". */
export const duration = (ms) => (ms < 1000 ? `${whole.format(ms)} ms` : `${fine.format(ms / 1000)} s`);

/** Return "1 token", "2 tokens". */
export const counted = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;

/** Return the group of the history a time belongs to. */
export function period(time, now = Date.now()) {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const day = 24 * 3600 * 1000;
  if (time >= midnight) return "Today";
  if (time >= midnight - day) return "Yesterday";
  return time >= midnight - 7 * day ? "Last seven days" : "Earlier";
}

/** Return a text on one line, cut with an ellipsis. */
export function shortened(text, longest = 60) {
  const line = text
    .slice(0, 4 * longest)
    .replace(/\s+/g, " ")
    .trim();
  return line.length <= longest ? line : `${line.slice(0, longest - 1).trimEnd()}…`;
}

/** Return a text that can be the name of a file. */
export const fileName = (text) =>
  shortened(text, 40)
    .replace(/[^\p{L}\p{N}._-]+/gu, "-")
    .replace(/^-+|-+$/g, "") || "vl2";
