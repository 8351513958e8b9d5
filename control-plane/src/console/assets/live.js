// What happens meanwhile: a leak's page hears how far its last decision has come, and asks for its attempts anew when there are others.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const place = document.querySelector("[data-live]");
  if (!place) return;
  const reach = place.querySelector("[data-reach]");
  let uses;
  // The browser opens it again when the server was away.
  const events = new EventSource(place.dataset.live);
  events.addEventListener("reach", ({ data }) => {
    if (reach.textContent.trim() !== data) reach.textContent = data;
  });
  events.addEventListener("uses", ({ data }) => {
    if (uses !== undefined && uses !== data) {
      window.htmx.ajax("GET", window.location.pathname, { target: "#attempts", select: "#attempts", swap: "outerHTML" });
    }
    uses = data;
  });
  window.addEventListener("pagehide", () => events.close());
});
