"use strict";
// Colours are chosen before anything is drawn, so that nothing flashes.
(() => {
  const chosen = localStorage.getItem("theme") || "";
  if (chosen) document.documentElement.dataset.theme = chosen;
  document.addEventListener("DOMContentLoaded", () => {
    const choice = document.getElementById("theme");
    if (!choice) return;
    choice.value = chosen;
    choice.addEventListener("change", () => {
      localStorage.setItem("theme", choice.value);
      if (choice.value) document.documentElement.dataset.theme = choice.value;
      else delete document.documentElement.dataset.theme;
      document.dispatchEvent(new Event("themechange"));
    });
  });
})();
