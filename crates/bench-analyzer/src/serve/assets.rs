//! The page itself: its document, scripts and styles, all of which are in this program.

use axum::Router;
use axum::http::header;
use axum::response::Html;
use axum::routing::get;

use super::guard::Guard;
use crate::report::figure;

const INDEX: &str = include_str!("assets/index.html");

/// Files that are sent as they are: path and content.
const SCRIPTS: [(&str, &str); 12] = [
    ("/theme.js", include_str!("assets/theme.js")),
    ("/uplot.js", include_str!("assets/uplot/uPlot.iife.min.js")),
    ("/app.js", include_str!("assets/app.js")),
    ("/ask.js", include_str!("assets/ask.js")),
    ("/dom.js", include_str!("assets/dom.js")),
    ("/route.js", include_str!("assets/route.js")),
    ("/chart.js", include_str!("assets/chart.js")),
    ("/home.js", include_str!("assets/home.js")),
    ("/benchmarks.js", include_str!("assets/benchmarks.js")),
    ("/series.js", include_str!("assets/series.js")),
    ("/compare.js", include_str!("assets/compare.js")),
    ("/lists.js", include_str!("assets/lists.js")),
];

const CHART_LICENCE: &str = include_str!("assets/uplot/LICENSE");

/// The paths of the page and of what it loads.
pub(super) fn router(guard: &Guard) -> Router {
    let of_kind = |kind: &'static str| [(header::CONTENT_TYPE, kind)];
    let index = INDEX.replace("@CSRF@", guard.csrf());
    let css = (of_kind("text/css; charset=utf-8"), style());
    let licence = (of_kind("text/plain; charset=utf-8"), CHART_LICENCE);
    let mut router = Router::new()
        .route("/", get(Html(index)))
        .route("/app.css", get(css))
        .route("/uplot-license.txt", get(licence));
    for (path, script) in SCRIPTS {
        router = router.route(path, get((of_kind("text/javascript; charset=utf-8"), script)));
    }
    router
}

/// All styles of the page, with dark colours for the report's plots where the page is dark.
fn style() -> String {
    let own = include_str!("assets/app.css");
    let chart = include_str!("assets/uplot/uPlot.min.css");
    let [system, chosen] = [":root:not([data-theme=light])", ":root[data-theme=dark]"]
        .map(|root| figure::dark_rules(&format!("{root} figure svg ")));
    format!(
        "{chart}\n{own}\n@media screen and (prefers-color-scheme: dark) {{ {system} }}\n\
         @media screen {{ {chosen} }}"
    )
}

/// Says that there is no such page, to people.
pub(super) const NOWHERE: &str = include_str!("assets/nowhere.html");
