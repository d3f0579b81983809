//! A fake of Railway's GraphQL API, as far as a rollback needs it. Requests are checked against an excerpt of its schema
//! (`src/gql/schema.json` of railwayapp/cli); a document that does not match gets the error that Railway would return.

use graphql_parser::query::{
    Definition, Document, OperationDefinition, Selection, SelectionSet, Type, Value as Argument,
};
use graphql_parser::schema::{self, TypeDefinition};
use serde_json::{Value, json};

use crate::fault::{Recording, Request, answer};
use crate::world::World;

const SCHEMA: &str = "
type Query {
  deployment(id: String!): Deployment!
  deployments(input: DeploymentListInput!, first: Int): QueryDeploymentsConnection!
  serviceInstance(environmentId: String!, serviceId: String!): ServiceInstance!
}
type Mutation { deploymentRollback(id: String!): Boolean! }
type Deployment { id: String! status: DeploymentStatus! canRollback: Boolean! createdAt: DateTime! }
type QueryDeploymentsConnection { edges: [QueryDeploymentsConnectionEdge!]! }
type QueryDeploymentsConnectionEdge { node: Deployment! cursor: String! }
type ServiceInstance { id: String! latestDeployment: Deployment }
input DeploymentListInput { projectId: String environmentId: String serviceId: String status: DeploymentStatusInput }
";

/// The token of the project.
pub const TOKEN: &str = "project-token-0123456789";

/// The good deployment, the bad one that followed it, and the one that a rollback creates.
pub const DEPLOYMENTS: [&str; 3] = [
    "11111111-aaaa-4bbb-8ccc-111111111111",
    "22222222-aaaa-4bbb-8ccc-222222222222",
    "33333333-aaaa-4bbb-8ccc-333333333333",
];

/// Starts the fake.
///
/// The statuses are those of `DeploymentStatus` in the schema. A deployment that was replaced is `REMOVED`, and a service
/// that sleeps is `SLEEPING` (docs.railway.com, "Deployments" and "App Sleeping").
pub fn railway(world: World) -> Recording {
    Recording::answering_all(move |request| {
        let result = respond(request, &world);
        answer(
            "200 OK",
            &result
                .unwrap_or_else(|message| json!({"errors": [{"message": message}], "data": null}))
                .to_string(),
        )
    })
}

fn respond(request: &Request, world: &World) -> Result<Value, String> {
    let head = request.head.to_ascii_lowercase();
    let scenario = world.scenario();
    if !head.contains(&format!("project-access-token: {TOKEN}\r\n")) || scenario == "denied" {
        return Err("Not Authorized".to_owned());
    }
    if !head.contains("content-type: application/json\r\n") {
        return Err("not JSON".to_owned());
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    let text = body["query"].as_str().ok_or("no query")?;
    let field = check_document(text, &body["variables"])?;
    world.record(&field);
    let [good, bad, new] = DEPLOYMENTS;
    let (live, newest) = deployments(&scenario, world.has_rolled());
    let data = match field.as_str() {
        "deployment" if body["variables"]["id"] == good => {
            json!({"deployment": {"id": good, "status": "REMOVED", "canRollback": scenario != "gone"}})
        }
        "deployment" => return Err("Deployment not found".to_owned()),
        "deployments" => {
            let allowed = body["variables"]["input"]["status"]["in"].as_array().cloned().unwrap_or_default();
            let shown = live.filter(|(_, status)| allowed.iter().any(|allowed| allowed == status));
            let edges: Vec<Value> =
                shown.map(|(id, status)| json!({"node": {"id": id, "status": status}})).into_iter().collect();
            json!({"deployments": {"edges": edges}})
        }
        "serviceInstance" => {
            json!({"serviceInstance": {"latestDeployment": {"id": newest.0, "status": newest.1}}})
        }
        _ if world.roll() => json!({"deploymentRollback": true}),
        _ => return Err(format!("Problem processing request for {bad} and {new}")),
    };
    Ok(json!({"data": data}))
}

/// A deployment and its status.
type Deployment = (&'static str, &'static str);

/// The live deployment, and the newest one.
fn deployments(scenario: &str, has_rolled: bool) -> (Option<Deployment>, Deployment) {
    let [good, bad, new] = DEPLOYMENTS;
    if has_rolled {
        return match scenario {
            "stuck" => (Some((bad, "SUCCESS")), (new, "DEPLOYING")),
            "phase" => (None, (new, "CRASHED")),
            "wrong" => (Some((bad, "SUCCESS")), (new, "SUCCESS")),
            "sleeping" => (Some((new, "SLEEPING")), (new, "SLEEPING")),
            _ => (Some((new, "SUCCESS")), (new, "SUCCESS")),
        };
    }
    match scenario {
        "live" => (Some((good, "SLEEPING")), (good, "SLEEPING")),
        "failed" => (Some((good, "SUCCESS")), (bad, "FAILED")),
        "pending" => (Some((good, "SUCCESS")), (bad, "DEPLOYING")),
        _ => (Some((bad, "SUCCESS")), (bad, "SUCCESS")),
    }
}

/// The one field of the operation, if the document matches the schema and the variables match the document.
fn check_document(text: &str, variables: &Value) -> Result<String, String> {
    let document: Document<'_, String> =
        graphql_parser::parse_query(text).map_err(|error| error.to_string())?;
    let [Definition::Operation(operation)] = document.definitions.as_slice() else {
        return Err("one operation is expected".to_owned());
    };
    let (root, declared, selected) = match operation {
        OperationDefinition::Query(query) => ("Query", &query.variable_definitions, &query.selection_set),
        OperationDefinition::Mutation(mutation) => {
            ("Mutation", &mutation.variable_definitions, &mutation.selection_set)
        }
        _ => return Err("neither a query nor a mutation".to_owned()),
    };
    let schema: schema::Document<'_, String> = schema::parse_schema(SCHEMA).unwrap();
    for definition in declared {
        let has_value = !variables[&definition.name].is_null();
        if matches!(definition.var_type, Type::NonNullType(_)) && !has_value {
            return Err(format!("Variable \"${}\" of required type was not provided", definition.name));
        }
    }
    let types: Vec<(String, String)> =
        declared.iter().map(|variable| (variable.name.clone(), variable.var_type.to_string())).collect();
    check_selection(&schema, root, selected, &types)?;
    match selected.items.as_slice() {
        [Selection::Field(field)] => Ok(field.name.clone()),
        _ => Err("one field is expected".to_owned()),
    }
}

/// Whether the type `type_name` has the selected fields, with these arguments.
fn check_selection(
    schema: &schema::Document<'_, String>,
    type_name: &str,
    selected: &SelectionSet<'_, String>,
    variables: &[(String, String)],
) -> Result<(), String> {
    let object = schema.definitions.iter().find_map(|definition| match definition {
        schema::Definition::TypeDefinition(TypeDefinition::Object(object)) if object.name == type_name => {
            Some(object)
        }
        _ => None,
    });
    let Some(object) = object else {
        return if selected.items.is_empty() { Ok(()) } else { Err(format!("{type_name} has no fields")) };
    };
    if selected.items.is_empty() {
        return Err(format!("a selection of {type_name} is needed"));
    }
    for item in &selected.items {
        let Selection::Field(field) = item else { return Err("only fields are supported here".to_owned()) };
        let definition = object.fields.iter().find(|definition| definition.name == field.name);
        let definition = definition
            .ok_or_else(|| format!("Cannot query field \"{}\" on type \"{type_name}\"", field.name))?;
        for (name, value) in &field.arguments {
            let argument = definition.arguments.iter().find(|argument| argument.name == *name);
            let expected =
                argument.ok_or_else(|| format!("Unknown argument \"{name}\""))?.value_type.to_string();
            let Argument::Variable(variable) = value else {
                return Err("only variables are supported here".to_owned());
            };
            let declared = variables.iter().find(|(name, _)| name == variable).map(|(_, declared)| declared);
            if declared
                .is_none_or(|declared| declared.trim_end_matches('!') != expected.trim_end_matches('!'))
            {
                return Err(format!("Variable \"${variable}\" is not a {expected}"));
            }
        }
        let missing = definition.arguments.iter().find(|argument| {
            matches!(argument.value_type, Type::NonNullType(_))
                && !field.arguments.iter().any(|(name, _)| *name == argument.name)
        });
        if let Some(argument) = missing {
            return Err(format!("Field \"{}\" argument \"{}\" is required", field.name, argument.name));
        }
        let inner = definition.field_type.to_string().replace(['[', ']', '!'], "");
        check_selection(schema, &inner, &field.selection_set, variables)?;
    }
    Ok(())
}
