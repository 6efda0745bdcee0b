//! The files that pages need: style, script, font, icons. Compiled in, so that the binary is all there is to deploy.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// The folder that all files are served from. It names their content, so that they may be cached for ever, and a style
/// sheet's relative URLs (the font) carry the version along.
static FOLDER: LazyLock<String> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for path in Files::iter() {
        digest.update(path.as_bytes());
        if let Some(file) = Files::get(&path) {
            digest.update(file.data);
        }
    }
    let short: String = digest.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect();
    format!("/static/{short}/")
});

/// The URL of the file at `path` in `static/`.
pub fn url(path: &str) -> String {
    format!("{}{path}", *FOLDER)
}

/// The routes of the files.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/static/{version}/{path:.*}", web::get().to(serve));
}

async fn serve(request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let (_, path) = path.into_inner();
    let Some(file) = Files::get(&path) else { return HttpResponse::NotFound().finish() };
    // An old version's URL gets the present file: a page that was open during an update stays whole, but must not keep it.
    let current = request.path().starts_with(FOLDER.as_str());
    let caching = if current { "public, max-age=31536000, immutable" } else { "no-cache" };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type(&path)))
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(file.data.into_owned())
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, http::StatusCode};

    use super::*;

    #[actix_web::test]
    async fn every_file_has_its_type_and_is_cached_for_ever() {
        let app = init_service(App::new().configure(routes)).await;
        for (path, kind) in [
            ("app.css", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("favicon.svg", "image/svg+xml"),
            ("fonts/inter.woff2", "font/woff2"),
        ] {
            let response =
                call_service(&app, TestRequest::get().uri(&url(path)).to_request()).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers().get("content-type").unwrap(), kind);
            assert!(
                response
                    .headers()
                    .get("cache-control")
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .contains("immutable")
            );
        }
    }

    #[actix_web::test]
    async fn an_old_version_is_not_kept_and_a_stranger_is_not_found() {
        let app = init_service(App::new().configure(routes)).await;
        let old = TestRequest::get().uri("/static/0000/app.css").to_request();
        assert_eq!(
            call_service(&app, old).await.headers().get("cache-control").unwrap(),
            "no-cache"
        );
        for path in ["../Cargo.toml", "nothing.css", "%2e%2e/Cargo.toml"] {
            let request = TestRequest::get().uri(&url(path)).to_request();
            assert_eq!(call_service(&app, request).await.status(), StatusCode::NOT_FOUND);
        }
    }
}
