/** The page at `/api`: Swagger UI over the hub's own OpenAPI document, in the theme that the other pages have. */

const systemDark = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const { classList, dataset } = document.documentElement;
  classList.toggle("dark-mode", (dataset.theme ?? (systemDark.matches ? "dark" : "light")) === "dark");
}

systemDark.addEventListener("change", showTheme);
showTheme();

window.SwaggerUIBundle({
  url: "/openapi.json",
  domNode: document.getElementById("docs"),
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1, // the schemas stand beside the operations that take them
  filter: true,
  persistAuthorization: false, // a credential is not left in a browser's storage
  queryConfigEnabled: false, // a link must not make this page show another's document
  validatorUrl: null, // nothing is told to anybody else
});
