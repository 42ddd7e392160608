// Before anything is drawn: the theme that was chosen on this device. A script of its own, for the page allows none inside.
try {
  document.documentElement.dataset.theme = JSON.parse(localStorage.getItem("parley.theme")) || "auto";
} catch {
  document.documentElement.dataset.theme = "auto";
}
