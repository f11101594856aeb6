// What to take away from a scenario: the YAML, a script, a command, a link.

function take(page, record, link) {
  const command = `kvparity run scenario.yaml ${page.options}`;
  const things = [
    ["YAML", record.yaml, "The scenario alone: save it as scenario.yaml."],
    ["mlx-lm script", record.snippet, "Needs nothing but mlx-lm."],
    ["command", record.yaml && command, "With the YAML saved as scenario.yaml."],
  ].filter(([, text]) => text);
  const shown = things.map(([name, text, note]) =>
    make(
      "details",
      {},
      make("summary", {}, `${name}: ${note}`),
      make("pre", { tabindex: 0, "aria-label": name }, text),
    ),
  );
  const buttons = things.map(([name, text]) => copying(`Copy ${name}`, () => text));
  buttons.push(copying("Copy link to this step", link));
  return make("section", { class: "take" }, make("h3", {}, "Take away"), make("p", { class: "buttons" }, buttons), shown);
}

function copying(name, text) {
  const button = make("button", { type: "button" }, name);
  button.addEventListener("click", async () => {
    const done = await copied(text());
    button.textContent = done ? "Copied" : "Cannot copy here: open it below";
    setTimeout(() => (button.textContent = name), 2000);
  });
  return button;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedByHand(text);
  }
}

/** The way for a page that may not use the clipboard. */
function copiedByHand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
