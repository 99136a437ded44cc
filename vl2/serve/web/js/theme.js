// A classic script in the head: the chosen theme stands before the first paint. Without a choice the system decides.
try {
  const theme = localStorage.getItem("vl2.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // storage is blocked: the system decides
}
