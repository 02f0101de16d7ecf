// Keeps the page fresh while somebody sees it: the same address again when told to, its content put in
// place. Nothing is replaced while a form is being filled in or something is selected. Without this the pages
// work as they are.
(() => {
  const live = document.getElementById("live");
  const pulse = document.getElementById("pulse");
  if (!live || document.querySelector("h1")?.textContent.startsWith("Preview")) return;
  const busy = () => {
    const at = document.activeElement;
    const typing = at && live.contains(at) && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName);
    const ticked = live.querySelector("input[type=checkbox]:checked");
    return typing || ticked || String(getSelection() || "") !== "";
  };
  const say = (words) => { if (pulse) pulse.textContent = words; };
  let events;
  const look = async () => {
    if (document.hidden || busy()) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, redirect: "manual" });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (fresh && !busy() && fresh.innerHTML !== live.innerHTML) live.replaceChildren(...fresh.childNodes);
      say("live, " + new Date().toLocaleTimeString());
    } catch { say("not fresh: the server cannot be reached"); }
  };
  const listen = () => {
    if (document.hidden) { events?.close(); events = undefined; return; }
    if (events) return;
    look();
    events = new EventSource("/console/events");
    events.addEventListener("look", look);
    events.onerror = () => say("not fresh: the server cannot be reached");
  };
  document.addEventListener("visibilitychange", listen);
  listen();
})();
