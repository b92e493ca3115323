// hover shows a candidate's numbers, a click or Enter opens its panel; without this script links and :target still work
document.documentElement.classList.remove("no-js");
const tip = document.getElementById("tip");
const panels = [...document.querySelectorAll(".candidate")];

function choose(id, scroll) {
  const panel = document.getElementById(id);
  if (!panel || !panel.classList.contains("candidate")) return;
  panels.forEach((each) => each.classList.toggle("shown", each === panel));
  document.querySelectorAll("[data-candidate]").forEach((each) => {
    const mine = each.dataset.candidate === id;
    if (each.tagName === "TR") each.classList.toggle("chosen", mine);
    else each.querySelector(".point").classList.toggle("selected", mine);
  });
  if (scroll) panel.scrollIntoView({ block: "nearest" });
}

document.querySelectorAll('a[href^="#"]').forEach((link) => {
  const id = link.getAttribute("href").slice(1);
  const target = document.getElementById(id);
  if (!target || !target.classList.contains("candidate")) return;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    history.replaceState(null, "", "#" + id);
    choose(id, true);
  });
});

function place(event) {
  const box = tip.getBoundingClientRect();
  const x = Math.min(event.clientX + 14, innerWidth - box.width - 8);
  const y = event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18;
  tip.style.left = Math.max(8, x) + "px";
  tip.style.top = y + "px";
}
document.querySelectorAll("[data-tip]").forEach((mark) => {
  mark.addEventListener("pointerenter", (event) => {
    tip.textContent = mark.dataset.tip;
    tip.style.display = "block";
    place(event);
  });
  mark.addEventListener("pointermove", place);
  mark.addEventListener("pointerleave", () => (tip.style.display = "none"));
});

const wanted = location.hash.slice(1);
const first = document.querySelector(".candidate.first");
choose(document.getElementById(wanted) ? wanted : first ? first.id : "", false);
