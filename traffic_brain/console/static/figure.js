"use strict";
// Draws the figures that the report and the console share.
for (const script of document.querySelectorAll(".figure-data")) {
  const { figure, config } = JSON.parse(script.textContent);
  Plotly.newPlot(script.dataset.for, figure.data, figure.layout, config).then((div) => {
    div.dataset.ready = "true";
  });
}
