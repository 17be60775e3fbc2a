//! `/api/v1`: what other programs see of Orderbell and may change, by the same functions as the commands. Whoever asks has been
//! admitted before.

mod answer;
mod deliveries;
mod history;
mod part;
mod status;
mod stream;

use std::sync::Arc;

use poem::error::MethodNotAllowedError;
use poem::web::Data;
use poem::{Endpoint, EndpointExt, Response, Route, get, handler};
use poem_openapi::OpenApiService;
use serde_json::{Value, json};

use crate::flow::resources::Resources;
use crate::web::admin::api::deliveries::DeliveriesApi;
use crate::web::admin::api::history::HistoryApi;
use crate::web::admin::api::status::StatusApi;
use crate::web::admin::api::stream::StreamApi;
use crate::web::admin::problem::Problem;

/// Where the API is.
pub const ADDRESS: &str = "/api/v1";

type Apis = (HistoryApi, DeliveriesApi, StatusApi, StreamApi);

fn service(resources: &Resources) -> OpenApiService<Apis, ()> {
    let of = || resources.clone();
    let apis = (HistoryApi(of()), DeliveriesApi(of()), StatusApi(of()), StreamApi(of()));
    OpenApiService::new(apis, "Orderbell", "1")
        .description(
            "What a running daemon knows, and may be asked to do. Lists go from the newest to the oldest, a page at a time.",
        )
        .server(ADDRESS)
}

/// The OpenAPI document as it is served.
pub fn document(resources: &Resources) -> String {
    let mut document: Value = serde_json::from_str(&service(resources).spec()).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({ "token": { "type": "http", "scheme": "bearer" } });
    for (name, schema) in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
        if name.ends_with("Request") {
            allow_null(schema);
        }
    }
    document["security"] = json!([{ "token": [] }]);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// A member of a request that may be absent may be null as well.
fn allow_null(schema: &mut Value) {
    let required: Vec<Value> = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, member) in schema["properties"].as_object_mut().into_iter().flatten() {
        if !required.contains(&Value::from(name.as_str())) {
            member["nullable"] = true.into();
        }
    }
}

/// What stands below [`ADDRESS`].
pub fn routes(resources: &Resources) -> impl Endpoint + 'static {
    let document = document(resources);
    let methods = Arc::new(Methods::of(&document));
    Route::new()
        .at("/openapi.json", get(openapi).data(Document(document)))
        .nest_no_strip("/", service(resources))
        .around(move |endpoint, request| {
            let (methods, path) = (methods.clone(), request.uri().path().to_owned());
            async move {
                endpoint.call(request).await.map_err(|error| match error.is::<MethodNotAllowedError>() {
                    true => Problem::method(&methods.at(&path)).into(),
                    false => error,
                })
            }
        })
}

/// The methods that each address takes: its template and their names.
struct Methods(Vec<(String, String)>);

impl Methods {
    fn of(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let paths = document["paths"].as_object().into_iter().flatten();
        let names = |methods: &Value| {
            let names = methods.as_object().into_iter().flatten().map(|(name, _)| name.to_uppercase());
            names.collect::<Vec<_>>().join(", ")
        };
        let mut all: Vec<_> = paths.map(|(path, methods)| (path.clone(), names(methods))).collect();
        // An address of its own comes before one that stands for many.
        all.sort_by_key(|(path, _)| path.matches('{').count());
        Self(all)
    }

    fn at(&self, path: &str) -> String {
        let fits = |template: &str| {
            let (mut wanted, mut given) = (template.split('/'), path.split('/'));
            wanted.by_ref().zip(given.by_ref()).all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
                && template.matches('/').count() == path.matches('/').count()
        };
        let found = self.0.iter().find(|(template, _)| fits(template));
        found.map_or_else(|| "GET".to_owned(), |(_, methods)| methods.clone())
    }
}

#[derive(Clone)]
struct Document(String);

#[handler]
async fn openapi(document: Data<&Document>) -> Response {
    Response::builder().content_type("application/json").body(document.0.0.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_its_own_comes_before_one_that_stands_for_many() {
        let paths = json!({ "paths": {
            "/deliveries/{id}": { "get": {} }, "/deliveries/cancel": { "post": {} },
            "/deliveries/{id}/cancel": { "post": {} }, "/deliveries": { "get": {} },
        } });
        let methods = Methods::of(&paths.to_string());
        for (path, wanted) in [
            ("/deliveries", "GET"),
            ("/deliveries/1", "GET"),
            ("/deliveries/cancel", "POST"),
            ("/deliveries/1/cancel", "POST"),
            ("/openapi.json", "GET"),
        ] {
            assert_eq!(methods.at(path), wanted, "{path}");
        }
    }
}
