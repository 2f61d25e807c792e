//! All routes, and the document that describes them.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request},
    middleware, routing,
};
use utoipa::{
    OpenApi,
    openapi::{
        self, SecurityRequirement,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    blocks, chain, events,
    extract::MAX_BODY_BYTES,
    legacy, menu, network, orders, page,
    problem::{PROBLEM_JSON, Problem},
    security,
    state::Shared,
};

/// What the document says about itself.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Dexter",
        description = "Shops that seal one order book by Proof of Elapsed Time. Every error is an RFC 9457 problem \
                       (application/problem+json). Beyond the node's own machine every request but for the web page's files \
                       needs its token."
    ),
    tags(
        (name = "orders", description = "Placing orders, finding them, proving them"),
        (name = "blocks", description = "The chain"),
        (name = "network", description = "The pool, the members, what happens"),
        (name = "node", description = "This node"),
        (name = "original", description = "The routes of the original program, unchanged"),
    )
)]
struct Described;

fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(page::home))
        .routes(routes!(orders::place, orders::list))
        .routes(routes!(orders::show))
        .routes(routes!(orders::prove))
        .routes(routes!(blocks::list))
        .routes(routes!(blocks::show))
        .routes(routes!(chain::stream_chain))
        .routes(routes!(chain::stream_headers))
        .routes(routes!(network::pool))
        .routes(routes!(network::members))
        .routes(routes!(network::evidence))
        .routes(routes!(network::status))
        .routes(routes!(network::race))
        .routes(routes!(menu::show, menu::put))
        .routes(routes!(network::genesis))
        .routes(routes!(events::listen))
        .routes(routes!(network::livez))
        .routes(routes!(network::readyz))
        .routes(routes!(legacy::add_transaction))
        .routes(routes!(legacy::get_chain))
        .routes(routes!(legacy::view_pool))
}

/// The OpenAPI 3.1 document that `/openapi.json` answers.
pub fn document() -> openapi::OpenApi {
    described(routes().into_openapi())
}

/// Adds what no single route tells: the token, and that every route may refuse with a problem, as it
/// does for an unknown host, a foreign origin or a missing token.
fn described(mut document: openapi::OpenApi) -> openapi::OpenApi {
    let problem = openapi::Content::new(Some(openapi::Ref::from_schema_name("ProblemBody")));
    let refusal = openapi::ResponseBuilder::new()
        .description("any other refusal")
        .content(PROBLEM_JSON, problem)
        .build();
    let items = document.paths.paths.values_mut();
    for operation in items
        .flat_map(|item| [&mut item.get, &mut item.post, &mut item.put])
        .flatten()
    {
        let responses = &mut operation.responses.responses;
        responses.insert("default".to_owned(), refusal.clone().into());
    }
    let components = document.components.get_or_insert_default();
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme("token", token);
    // The empty alternative: on the node's own machine no token is needed.
    document.security = Some(vec![
        SecurityRequirement::default(),
        SecurityRequirement::new("token", [""; 0]),
    ]);
    document
}

/// Everything that answers, guarded.
pub(crate) fn router(app: Shared) -> Router {
    let (router, document) = routes().split_for_parts();
    let document = described(document);
    router
        .route(
            "/openapi.json",
            routing::get(async move || Json(document.clone())),
        )
        .fallback(page::file_or_nothing)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(app.clone(), security::bound))
        .layer(middleware::from_fn_with_state(app.clone(), security::guard))
        .with_state(app)
}

async fn no_such_method(request: Request) -> Problem {
    Problem::method_not_allowed(request.method().as_str(), request.uri().path())
}
