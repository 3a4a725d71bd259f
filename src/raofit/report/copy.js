// A button over every text that is there to be copied.

for (const block of document.querySelectorAll("[data-copy]")) {
  const text = block.querySelector("pre");
  const button = document.createElement("button");
  const said = document.createElement("span");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${block.dataset.copy}`);
  said.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      getSelection().selectAllChildren(text); // pages opened from a disk may not be let to the clipboard directly
      document.execCommand("copy");
    }
    said.textContent = "Copied";
    setTimeout(() => (said.textContent = ""), 4000);
  });
  block.querySelector("figcaption").append(button, said);
}
