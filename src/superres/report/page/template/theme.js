"use strict";
// Light or dark: as the system, until the button chooses; kept where the browser allows it.
const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");
function kept(theme) {
  try { return theme ? (localStorage.theme = theme) : localStorage.theme; } catch { return theme; }
}
function show(theme = system.matches ? "dark" : "light") {
  root.dataset.theme = theme;
  dispatchEvent(new Event("theme"));
}
show(kept());
system.onchange = () => show(kept());
addEventListener("click", ({ target }) =>
  target.id === "theme" && show(kept(root.dataset.theme === "dark" ? "light" : "dark")));
