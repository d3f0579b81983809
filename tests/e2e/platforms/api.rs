//! Fakes of the APIs of Render and Vercel.

use serde_json::{Value, json};
use testkit::fault::{Recording, Request, answer};
use testkit::world::World;

/// The key of both APIs.
pub(super) const KEY: &str = "api-key-0123456789";

/// Method, path without the query, and the scenario, if the request is a good one.
fn accepted(request: &Request, world: &World) -> Option<(String, String)> {
    let head = request.head.to_ascii_lowercase();
    let authorized = head.contains(&format!("authorization: bearer {KEY}\r\n"));
    let mut line = request.head.split(' ');
    let (method, path) = (line.next()?.to_owned(), line.next()?.to_owned());
    world.record(&format!("{method} {path}"));
    (authorized && world.scenario() != "denied").then_some((method, path))
}

fn respond(result: Result<Value, (&str, Value)>) -> String {
    match result {
        Ok(body) => answer("200 OK", &body.to_string()),
        Err((status, body)) => answer(status, &body.to_string()),
    }
}

/// Render: api-docs.render.com/reference, "List deploys" (a list of `{deploy, cursor}`; the statuses), "Retrieve deploy",
/// "Roll back deploy" (201 with the new deploy, which is queued), and render.com/docs/rollbacks and /docs/deploys: a deploy
/// that fails never replaces the live one, which then becomes deactivated.
pub(super) fn render(world: World) -> Recording {
    Recording::answering_all(move |request| respond(render_response(request, &world)))
}

fn deploy(id: &str, status: &str, commit: &str) -> Value {
    json!({"id": id, "status": status, "commit": {"id": commit, "message": "x"}, "trigger": "api"})
}

fn render_response(request: &Request, world: &World) -> Result<Value, (&'static str, Value)> {
    let (method, path) =
        accepted(request, world).ok_or(("401 Unauthorized", json!({"message": "Unauthorized"})))?;
    let (scenario, rolled) = (world.scenario(), world.has_rolled());
    let new = match scenario.as_str() {
        _ if !rolled => None,
        "stuck" => Some(deploy("dep-new", "update_in_progress", "good")),
        "phase" => Some(deploy("dep-new", "pre_deploy_failed", "good")),
        "wrong" => Some(deploy("dep-new", "live", "other")),
        _ => Some(deploy("dep-new", "live", "good")),
    };
    let is_replaced = new.as_ref().is_some_and(|new| new["status"] == "live");
    let (bad, good) = match scenario.as_str() {
        _ if is_replaced => ("deactivated", "deactivated"),
        "live" => ("canceled", "live"),
        "failed" => ("update_failed", "live"),
        "pending" => ("build_in_progress", "live"),
        _ => ("live", "deactivated"),
    };
    let (bad, good) = (deploy("dep-bad", bad, "bad"), deploy("dep-good", good, "good"));
    match (method.as_str(), path.as_str()) {
        ("GET", "/services/srv-1/deploys?limit=100") => {
            let all = new.into_iter().chain([bad, good]);
            Ok(all.map(|deploy| json!({"deploy": deploy, "cursor": "c"})).collect())
        }
        ("GET", "/services/srv-1/deploys/dep-new") => Ok(new.unwrap()),
        ("GET", "/services/srv-1/deploys/dep-good") if scenario != "gone" => Ok(good),
        ("GET", _) => Err(("404 Not Found", json!({"message": "not found: deploy"}))),
        ("POST", "/services/srv-1/rollback")
            if request.body == b"{\"deployId\":\"dep-good\"}" && world.roll() =>
        {
            Ok(deploy("dep-new", "queued", "good"))
        }
        _ => Err(("400 Bad Request", json!({"message": "rollback is not possible"}))),
    }
}

/// Vercel: vercel.com/docs/rest-api, "Get an Alias" (`/v4/aliases/{idOrAlias}`), "Find a project by id or name"
/// (`/v9/projects/{idOrName}`: `latestDeployments`, `lastAliasRequest`), "Get a deployment by ID or URL"
/// (`/v13/deployments/{idOrUrl}`), "Point production traffic to a previous production deployment by ID"
/// (`/v1/projects/{projectId}/rollback/{deploymentId}`). The statuses of a request to move domains are those of
/// vercel/vercel packages/cli/src/commands/rollback/status.ts. A build that fails never gets the domains.
pub(super) fn vercel(world: World) -> Recording {
    Recording::answering_all(move |request| respond(vercel_response(request, &world)))
}

fn vercel_response(request: &Request, world: &World) -> Result<Value, (&'static str, Value)> {
    let (method, path) =
        accepted(request, world).ok_or(("403 Forbidden", json!({"error": {"message": "Not authorized"}})))?;
    let (scenario, rolled) = (world.scenario(), world.has_rolled());
    let status = match scenario.as_str() {
        "stuck" => "in-progress",
        "phase" => "failed",
        _ => "succeeded",
    };
    let live = match scenario.as_str() {
        "stuck" | "phase" | "wrong" if rolled => "dpl_bad",
        _ if rolled => "dpl_good",
        "live" | "failed" | "pending" => "dpl_good",
        _ => "dpl_bad",
    };
    let newest = match scenario.as_str() {
        "failed" => "ERROR",
        "pending" => "BUILDING",
        _ => "READY",
    };
    let path = path.strip_suffix("?teamId=team_1").unwrap_or("without the team");
    match (method.as_str(), path) {
        ("GET", "/v4/aliases/shop.example") => {
            Ok(json!({"alias": "shop.example", "deploymentId": live, "projectId": "prj_1", "uid": "u"}))
        }
        ("GET", "/v9/projects/prj_1") => Ok(json!({
            "id": "prj_1",
            "latestDeployments": [{"id": "dpl_bad", "target": "production", "readyState": newest}],
            "lastAliasRequest": rolled.then(|| json!({
                "type": "rollback", "fromDeploymentId": "dpl_bad", "toDeploymentId": "dpl_good", "jobStatus": status,
            })),
        })),
        ("GET", "/v13/deployments/dpl_good") if scenario != "gone" => {
            Ok(json!({"id": "dpl_good", "projectId": "prj_1", "target": "production", "readyState": "READY"}))
        }
        ("GET", _) => Err(("404 Not Found", json!({"error": {"message": "The deployment was not found"}}))),
        ("POST", "/v1/projects/prj_1/rollback/dpl_good") if world.roll() => Ok(Value::Null),
        _ => Err(("400 Bad Request", json!({"error": {"message": "The deployment is not eligible"}}))),
    }
}
