//! Sharing on demand, after an outage.

use std::time::Duration;

use common::identity::Identity;
use common::runtime;
use state_store::StoreUrl;
use tokio::time::{Instant, timeout};

use super::link::{Link, Shared};
use super::push::{Scope, push};
use super::totals::Base;
use crate::context::Context;
use crate::pushgateway::{GatewayClient, PushError};

/// Adds everything that is spooled on this machine to the shared state, and pushes all its totals, within `limit` each.
///
/// # Errors
/// The store or the Pushgateway cannot be used.
pub fn flush_shared(context: &Context, limit: Duration) -> Result<(), String> {
    let Some(url) = &context.sinks.state_url else { return Ok(()) };
    let gateway = client(context, limit).map_err(|error| error.to_string())?;
    let work = async {
        let mut documents = share_all(context, url, gateway.as_ref(), limit).await?;
        let Some(client) = &gateway else { return Ok(()) };
        let pushing = async {
            for document in &mut documents {
                push(client, document, &Scope::Whole, Instant::now() + limit).await?;
            }
            Ok::<(), PushError>(())
        };
        let place = context.sinks.gateway.as_ref().map(crate::pushgateway::Endpoint::display_url);
        let late = || Err(PushError::Unavailable("no response in time".to_owned()));
        timeout(limit, pushing)
            .await
            .unwrap_or_else(|_| late())
            .map_err(|error| format!("not pushed to {} yet: {error}", place.unwrap_or_default()))
    };
    runtime::block_on(work).map_err(|error| error.to_string())?
}

fn client(context: &Context, limit: Duration) -> Result<Option<GatewayClient>, PushError> {
    context.sinks.gateway.as_ref().map(|endpoint| GatewayClient::new(endpoint, limit)).transpose()
}

async fn share_all(
    context: &Context,
    url: &StoreUrl,
    client: Option<&GatewayClient>,
    limit: Duration,
) -> Result<Vec<Shared>, String> {
    let link = Link::new(url, context.sinks.state_dir.as_deref());
    let Identity { environment, service, .. } = &context.identity;
    let deadline = Instant::now() + limit;
    link.adopt(client, deadline).await;
    let mut base = if client.is_some() { Base::Unread } else { Base::Zero };
    let mut services = link.others(&context.identity);
    services.insert(0, (environment.clone(), service.clone()));
    let mut documents = Vec::new();
    for (environment, service) in &services {
        let shared = link.share((environment, service), Vec::new(), &mut base, client, deadline).await;
        documents.push(shared.map_err(|error| {
            format!("not shared to {url} yet: {error}; {}", link.waiting(environment, service))
        })?);
    }
    Ok(documents)
}
