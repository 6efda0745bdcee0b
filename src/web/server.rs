//! The threads that answer requests, which sleep while nobody is connected.
//!
//! actix-web's own `HttpServer` gives each worker a clock for the `Date` header that ticks twice a second for ever: eight of the ten
//! wake-ups a second of an idle server. So the parts that it is made of are put together here in another way: what speaks HTTP, and
//! owns that clock, lives as long as there are connections.

use std::cell::RefCell;
use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::rc::{Rc, Weak};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Request};
use actix_server::Server;
use actix_service::boxed::{BoxFuture, RcService, rc_service};
use actix_service::{
    IntoServiceFactory, Service, ServiceExt, ServiceFactory, fn_factory, fn_service,
};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, web};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::guard;
use super::ping_batcher::PingBatcher;
use super::state::AppState;

/// Threads that answer requests. The work behind them runs on the main runtime.
const WORKERS: usize = 2;
/// How long a client may take to see that its connection is over.
const DISCONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Answers HTTP on `listener`. Once `stopping` is cancelled, a connection ends after the request that it has; those that have not ended
/// `stop_limit` after a graceful stop are cut.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(
    listener: TcpListener,
    state: web::Data<AppState>,
    stopping: CancellationToken,
    stop_limit: Duration,
) -> io::Result<Server> {
    let worker = move || {
        let worker = Rc::new(Worker::new(state.clone(), stopping.clone()));
        fn_service(move |stream| worker.clone().serve(stream))
    };
    let server = Server::build()
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(stop_limit.as_secs())
        .listen("web", listener, worker)?;
    Ok(server.run())
}

/// Answers requests: all routes, and what is around them.
type Site = RcService<Request, ServiceResponse, Error>;

/// Speaks HTTP on a connection, to its end.
type Http = dyn Service<
        TcpStream,
        Response = (),
        Error = DispatchError,
        Future = BoxFuture<Result<(), DispatchError>>,
    >;

/// One of the threads.
struct Worker {
    state: web::Data<AppState>,
    stopping: CancellationToken,
    /// Made for the first connection.
    site: OnceCell<Site>,
    /// There while a connection holds it.
    http: RefCell<Option<Weak<Http>>>,
}

impl Worker {
    fn new(state: web::Data<AppState>, stopping: CancellationToken) -> Self {
        Self { state, stopping, site: OnceCell::new(), http: RefCell::default() }
    }

    async fn serve(self: Rc<Self>, stream: TcpStream) -> Result<(), DispatchError> {
        let http = self.http().await?;
        http.call(stream).await
    }

    /// What the connections of now share, or else what this one begins.
    async fn http(&self) -> Result<Rc<Http>, DispatchError> {
        if let Some(http) = self.http.borrow().as_ref().and_then(Weak::upgrade) {
            return Ok(http);
        }
        let site = self.site.get_or_try_init(|| site(self.state.clone())).await;
        let site = site.map_err(|()| DispatchError::InternalError)?.clone();
        let stopping = self.stopping.clone();
        let http = HttpService::build()
            .client_disconnect_timeout(DISCONNECT_LIMIT)
            // Or a connection that is kept alive would hold up a stop.
            .graceful_shutdown_signal(move || stopping.clone().cancelled_owned())
            .finish(fn_factory(move || ready(Ok::<_, Error>(site.clone()))))
            .tcp();
        let http = http.new_service(()).await.map_err(|()| DispatchError::InternalError)?;
        let http = rc_service(http);
        *self.http.borrow_mut() = Some(Rc::downgrade(&http));
        Ok(http)
    }
}

async fn site(state: web::Data<AppState>) -> Result<Site, ()> {
    let app = App::new()
        .app_data(web::Data::new(PingBatcher::new(state.engine.clone())))
        .app_data(state)
        .wrap(from_fn(guard::security_headers))
        .configure(super::routes);
    let site = app.into_factory().new_service(AppConfig::default()).await?;
    Ok(rc_service(site.map(ServiceResponse::map_into_boxed_body)))
}
