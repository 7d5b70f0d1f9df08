/* Runs before the first paint, so that a page whose theme was chosen by hand never flashes in the other one. */
(function () {
  try {
    var chosen = localStorage.getItem("hub.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch (error) {
    // Storage may be forbidden; the system's preference then decides.
  }
})();
