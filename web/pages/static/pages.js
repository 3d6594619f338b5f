// The live part of the overview, and a key for the search field. Everything else works without scripts.
"use strict";

const live = document.getElementById("live");
const hold = document.getElementById("hold");

async function refresh() {
  const busy = live.contains(document.activeElement) || String(getSelection()) !== "";
  if (!document.hidden && !hold.checked && !busy) {
    try {
      const answer = await fetch(live.dataset.live, { headers: { Accept: "text/html" } });
      if (answer.ok && !answer.redirected) {
        // Written by our own templates, which escape; parsed this way no script in it would run.
        live.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
      }
      live.classList.toggle("stale", !answer.ok);
    } catch {
      live.classList.add("stale");
    }
  }
  setTimeout(refresh, live.dataset.every * 1000);
}

if (live) setTimeout(refresh, live.dataset.every * 1000);

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    document.getElementById("find").focus();
  }
});
