/** Light and dark: what is chosen, what is seen. */

const KEY = "vl2.theme";
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

/** Return "light", "dark" or "system". */
export function chosenTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

/** Return whether the page is dark now. */
export function isDark() {
  const theme = chosenTheme();
  return theme === "system" ? darkSystem.matches : theme === "dark";
}

/** Take a theme and remember it. */
export function chooseTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // storage is blocked: the choice holds until the page is left
  }
  for (const react of reactions) react();
}

const reactions = new Set();

/** Call `react` whenever light turns to dark or back. */
export function onTheme(react) {
  reactions.add(react);
  darkSystem.addEventListener("change", react);
}
