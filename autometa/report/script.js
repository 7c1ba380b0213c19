(() => {
  "use strict";
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)").matches;
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const shown = {};

  const probe = document.body.appendChild(document.createElement("i"));
  probe.hidden = true;
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };

  // Colours are written "@name"; only these keys hold them, so that no text is taken for one.
  const isColour = /^(color|colorscale|bgcolor|bordercolor|fillcolor|linecolor|gridcolor)$/;
  const painted = (value, inside = false) => {
    if (typeof value === "string") return inside && value[0] === "@" ? colour(value.slice(1)) : value;
    if (Array.isArray(value)) return inside ? value.map((item) => painted(item, true)) : value;
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, painted(item, isColour.test(key))]),
    );
  };

  const axis = (own, small) => ({
    automargin: true,
    zeroline: false,
    gridcolor: colour("line"),
    linecolor: colour("soft"),
    tickfont: { size: small ? 11 : 12 },
    ...own,
    title: { standoff: 8, font: { size: small ? 11.5 : 12.5 }, ...(own?.title ?? {}) },
  });

  const layoutOf = (own) => {
    const small = innerWidth < 700;
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, color: colour("muted") },
      margin: { l: 8, r: 8, t: 12, b: 8, pad: 0 },
      hoverlabel: {
        bgcolor: colour("card"), bordercolor: colour("soft"), align: "left",
        font: { color: colour("ink"), size: 12 },
      },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("muted"), activecolor: colour("ink") },
      legend: {
        orientation: "h", x: 0, y: 1.02, yanchor: "bottom",
        ...(small ? { entrywidth: 0.47, entrywidthmode: "fraction", font: { size: 11 } } : {}),
      },
      hovermode: "closest",
      dragmode: coarse ? false : "zoom",
      bargap: 0,
      ...painted(own),
    };
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(key)) layout[key] = axis(layout[key], small);
    }
    return layout;
  };

  const draw = (name) => {
    if (typeof Plotly === "undefined") return;
    const figure = charts[name];
    const variant = figure.variants[shown[name]];
    const data = figure.data.map((trace, i) => ({ ...painted(trace), ...(variant ? variant.traces[i] : {}) }));
    const layout = layoutOf(figure.layout);
    if (variant) layout.xaxis.title.text = variant.title;
    Plotly.react(name, data, layout, {
      displaylogo: false,
      responsive: true,
      // The library's own list has a button that sends the chart to its maker's server.
      modeBarButtons: [["toImage", "resetScale2d"]],
      plotlyServerURL: "",
      toImageButtonOptions: { format: "png", scale: 2, filename: name },
    });
  };
  const drawAll = () => Object.keys(charts).forEach(draw);

  const toggle = document.getElementById("theme");
  let chosen = null;
  try {
    chosen = localStorage.getItem("autometa-theme");
  } catch {
    // A page from a file may not remember; it then follows the system.
  }
  const isDark = () => (chosen ? chosen === "dark" : dark.matches);
  const paint = () => {
    root.style.colorScheme = isDark() ? "dark" : "light";
    toggle.textContent = isDark() ? "Light" : "Dark";
    drawAll();
  };
  toggle.addEventListener("click", () => {
    chosen = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("autometa-theme", chosen);
    } catch {
      // See above.
    }
    paint();
  });
  dark.addEventListener("change", paint);
  addEventListener("beforeprint", () => {
    root.style.colorScheme = "light";
    drawAll();
  });
  addEventListener("afterprint", paint);

  for (const button of document.querySelectorAll("[data-chart]")) {
    button.addEventListener("click", () => {
      shown[button.dataset.chart] = button.dataset.variant;
      for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
      draw(button.dataset.chart);
    });
  }

  const keyOf = (row, i) => {
    const cell = row.cells[i];
    const value = cell.dataset.v ?? cell.textContent.trim();
    return value !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
  };
  const isEmpty = (key) => key === "" || key === "–";
  const compare = (a, b) => {
    if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
    return typeof a === "number" ? -1 : 1;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, i) => {
      head.querySelector("button").addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const keyed = [...table.tBodies[0].rows].map((row) => [keyOf(row, i), row]);
        keyed.sort(([a], [b]) => {
          if (isEmpty(a) || isEmpty(b)) return isEmpty(a) - isEmpty(b);
          return up ? compare(a, b) : compare(b, a);
        });
        table.tBodies[0].append(...keyed.map(([, row]) => row));
      });
    });
  }

  const filter = document.getElementById("filter");
  filter?.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of document.getElementById("leaderboard").tBodies[0].rows) {
      row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
    }
  });

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const code = button.closest(".code").querySelector("code");
      getSelection().selectAllChildren(code);
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        links.forEach((link) => link.removeAttribute("aria-current"));
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-10% 0px -80% 0px" },
  );
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));

  paint();
})();
