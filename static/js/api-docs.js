/** The page at `/api`: Swagger UI over the hub's own OpenAPI document, in the theme that the other pages have. */

const systemDark = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const { classList, dataset } = document.documentElement;
  classList.toggle("dark-mode", (dataset.theme ?? (systemDark.matches ? "dark" : "light")) === "dark");
}

systemDark.addEventListener("change", showTheme);
showTheme();

/** Under "Authorize" stand only the credentials that go into a header: a script can set no cookie of the hub's (the browser
 * sends it by itself), and one in an address would be left in logs. */
const headersOnly = (original) => (...args) =>
  original(...args)
    ?.map((entry) => entry.filterNot((scheme) => ["cookie", "query"].includes(scheme.get("in"))))
    .filter((entry) => entry.size);

/** Each field there asks for the focus, and the last one gets it. It belongs to the first, which takes access tokens and
 * API keys. */
const focusOnBearer = (Input, { React }) => (props) =>
  React.createElement(Input, { ...props, autoFocus: props.id === "auth-bearer-value" });

const credentials = {
  statePlugins: { auth: { wrapSelectors: { definitionsToAuthorize: headersOnly } } },
  wrapComponents: { Input: focusOnBearer },
};

const TAG = "operations-tag";

/** Opening an API's part puts the others away: with all of them drawn it is slow, and Swagger UI loses the headings. */
const oneApiAtATime = (original, system) => (thing, shown = true) => {
  if (shown && thing[0] === TAG && thing.length === 2) {
    const others = system.specSelectors.taggedOperations().keySeq().filter((tag) => tag !== thing[1]);
    others.forEach((tag) => {
      if (system.layoutSelectors.isShown([TAG, tag])) original([TAG, tag], false);
    });
  }
  return original(thing, shown);
};

const parts = { statePlugins: { layout: { wrapActions: { show: oneApiAtATime } } } };

window.SwaggerUIBundle({
  url: "/openapi.json",
  domNode: document.getElementById("docs"),
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "none", // to draw all that there is takes seconds; an API's part is drawn when it is opened
  defaultModelsExpandDepth: -1, // the schemas stand beside the operations that take them
  filter: true,
  plugins: [credentials, parts],
  persistAuthorization: false, // a credential is not left in a browser's storage
  queryConfigEnabled: false, // a link must not make this page show another's document
  validatorUrl: null, // nothing is told to anybody else
});
