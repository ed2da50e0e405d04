// Where the page begins.

import "./styles/index.css";
import { render } from "preact";
import { Page } from "./app";
import { Controller } from "./controller";
import { showInTab } from "./tab";
import { VIEWS } from "./views";

const host = document.getElementById("app");
if (host) {
  const controller = new Controller(VIEWS.map((view) => view.path));
  showInTab(controller);
  render(<Page controller={controller} />, host);
  controller.start();
}
