//! The HTTP service.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Serve;
use crate::faults::{FaultSwitch, Faults};
use crate::orders::Orders;

/// The state that all requests share.
struct Service {
    version: String,
    orders: Orders,
    faults: FaultSwitch,
    /// The number of responses to requests for orders, by status.
    responses: Mutex<BTreeMap<u16, u64>>,
}

impl Service {
    fn responses(&self) -> MutexGuard<'_, BTreeMap<u16, u64>> {
        self.responses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until SIGTERM.
pub(crate) fn serve(args: Serve) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            () = tokio::time::sleep(args.start_delay) => {}
            _ = terminate.recv() => return Ok(()),
        }
        let orders = Orders::open(args.db).await?;
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen on {}", args.listen))?;
        writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
        let service = Service {
            version: args.version_name,
            orders,
            faults: FaultSwitch::new(Faults {
                error_percent: args.error_percent,
                latency_ms: u64::try_from(args.latency.as_millis()).unwrap_or(u64::MAX),
                down: args.down,
            }),
            responses: Mutex::default(),
        };
        axum::serve(listener, routes(service))
            .with_graceful_shutdown(async move {
                terminate.recv().await;
            })
            .await?;
        Ok(())
    })
}

fn routes(service: Service) -> Router {
    let service = Arc::new(service);
    Router::new()
        .route("/", get(page))
        .route("/health", get(health))
        .route("/version", get(version))
        .route("/api/orders", get(orders))
        .route("/faults", post(faults))
        .route("/metrics", get(metrics))
        .layer(middleware::map_response_with_state(Arc::clone(&service), name_version))
        .with_state(service)
}

/// Every response names the version, also one about an error.
async fn name_version(State(service): State<Arc<Service>>, mut response: Response) -> Response {
    if let Ok(version) = HeaderValue::from_str(&service.version) {
        response.headers_mut().insert("X-Version", version);
    }
    response
}

async fn page(State(service): State<Arc<Service>>) -> Response {
    if service.faults.is_down() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Html(format!("<!doctype html><title>Tea shop</title><p>Tea shop, version {}</p>\n", service.version))
        .into_response()
}

async fn health(State(service): State<Arc<Service>>) -> Response {
    let (code, status) = if service.faults.is_down() {
        (StatusCode::SERVICE_UNAVAILABLE, "down")
    } else {
        (StatusCode::OK, "ok")
    };
    (code, Json(serde_json::json!({ "status": status, "version": service.version }))).into_response()
}

async fn version(State(service): State<Arc<Service>>) -> String {
    format!("{}\n", service.version)
}

async fn orders(State(service): State<Arc<Service>>) -> Response {
    let response = order_response(&service).await;
    *service.responses().entry(response.status().as_u16()).or_default() += 1;
    response
}

async fn order_response(service: &Service) -> Response {
    let (latency, fails) = service.faults.next();
    tokio::time::sleep(latency).await;
    if service.faults.is_down() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if fails {
        return (StatusCode::INTERNAL_SERVER_ERROR, "an injected fault\n").into_response();
    }
    match service.orders.all().await {
        Ok(orders) => Json(orders).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

async fn metrics(State(service): State<Arc<Service>>) -> String {
    let lines = service
        .responses()
        .iter()
        .map(|(status, count)| format!("http_requests_total{{status=\"{status}\"}} {count}\n"))
        .collect::<Vec<_>>();
    format!("# TYPE http_requests_total counter\n{}", lines.concat())
}

async fn faults(State(service): State<Arc<Service>>, Json(faults): Json<Faults>) -> StatusCode {
    service.faults.set(faults);
    StatusCode::OK
}
