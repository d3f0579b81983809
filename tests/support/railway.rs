//! Railway's GraphQL API, as far as a rollback needs it. What is asked is checked against an excerpt of its schema, as
//! railwayapp/cli has it in `src/gql/schema.json`; a document that does not fit is answered as Railway answers it.

use std::sync::{Arc, Mutex};

use graphql_parser::query::{
    Definition, Document, OperationDefinition, Selection, SelectionSet, Type, Value as Given,
};
use graphql_parser::schema::{self, TypeDefinition};
use serde_json::{Value, json};

use crate::fault::{Recording, Request, answer};

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

/// The project's token.
pub const TOKEN: &str = "project-token-0123456789";

/// The deployment that was good, the bad one after it, and the one that a rollback makes.
pub const DEPLOYMENTS: [&str; 3] = [
    "11111111-aaaa-4bbb-8ccc-111111111111",
    "22222222-aaaa-4bbb-8ccc-222222222222",
    "33333333-aaaa-4bbb-8ccc-333333333333",
];

/// What it is like.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Whether the image of the good deployment is still there.
    pub can_rollback: bool,
    /// What becomes of the new deployment, look by look; the last stays.
    pub course: &'static [&'static str],
}

/// Starts one. What it was asked is in the recording.
pub fn railway(manner: Manner) -> Recording {
    // How often the new deployment was looked at; nothing before there is one.
    let looks = Arc::new(Mutex::new(None::<usize>));
    Recording::answering_all(move |request| {
        let told = ask(request, manner, &mut looks.lock().unwrap());
        answer(
            "200 OK",
            &told.unwrap_or_else(|why| json!({"errors": [{"message": why}], "data": null})).to_string(),
        )
    })
}

fn ask(request: &Request, manner: Manner, looks: &mut Option<usize>) -> Result<Value, String> {
    let head = request.head.to_ascii_lowercase();
    if !head.contains(&format!("project-access-token: {TOKEN}\r\n")) {
        return Err("Not Authorized".to_owned());
    }
    if !head.contains("content-type: application/json\r\n") {
        return Err("not JSON".to_owned());
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    let text = body["query"].as_str().ok_or("no query")?;
    let field = checked(text, &body["variables"])?;
    let [good, bad, new] = DEPLOYMENTS;
    let data = match field.as_str() {
        "deployment" if body["variables"]["id"] == good => {
            json!({"deployment": {"id": good, "status": "REMOVED", "canRollback": manner.can_rollback}})
        }
        "deployment" => return Err("Deployment not found".to_owned()),
        "deployments" => json!({"deployments": {"edges": [{"node": {"id": bad, "status": "SUCCESS"}}]}}),
        "serviceInstance" => {
            let (id, status) = match looks {
                None => (bad, "SUCCESS"),
                Some(look) => {
                    *look += 1;
                    (new, manner.course[(*look - 1).min(manner.course.len() - 1)])
                }
            };
            json!({"serviceInstance": {"latestDeployment": {"id": id, "status": status}}})
        }
        _ => {
            *looks = Some(0);
            json!({"deploymentRollback": true})
        }
    };
    Ok(json!({"data": data}))
}

/// The one field of the operation, if the document fits the schema and the variables fit the document.
fn checked(text: &str, variables: &Value) -> Result<String, String> {
    let document: Document<'_, String> =
        graphql_parser::parse_query(text).map_err(|error| error.to_string())?;
    let [Definition::Operation(operation)] = document.definitions.as_slice() else {
        return Err("one operation is expected".to_owned());
    };
    let (root, declared, selected) = match operation {
        OperationDefinition::Query(query) => ("Query", &query.variable_definitions, &query.selection_set),
        OperationDefinition::Mutation(it) => ("Mutation", &it.variable_definitions, &it.selection_set),
        _ => return Err("neither a query nor a mutation".to_owned()),
    };
    let schema: schema::Document<'_, String> = schema::parse_schema(SCHEMA).unwrap();
    for definition in declared {
        let is_given = !variables[&definition.name].is_null();
        if matches!(definition.var_type, Type::NonNullType(_)) && !is_given {
            return Err(format!("Variable \"${}\" of required type was not provided", definition.name));
        }
    }
    let types: Vec<(String, String)> =
        declared.iter().map(|it| (it.name.clone(), it.var_type.to_string())).collect();
    fits(&schema, root, selected, &types)?;
    match selected.items.as_slice() {
        [Selection::Field(field)] => Ok(field.name.clone()),
        _ => Err("one field is expected".to_owned()),
    }
}

/// Whether what is selected of the type `of` is there, with these arguments.
fn fits(
    schema: &schema::Document<'_, String>,
    of: &str,
    selected: &SelectionSet<'_, String>,
    variables: &[(String, String)],
) -> Result<(), String> {
    let found = schema.definitions.iter().find_map(|definition| match definition {
        schema::Definition::TypeDefinition(TypeDefinition::Object(object)) if object.name == of => {
            Some(object)
        }
        _ => None,
    });
    let Some(object) = found else {
        return if selected.items.is_empty() { Ok(()) } else { Err(format!("{of} has no fields")) };
    };
    if selected.items.is_empty() {
        return Err(format!("a selection of {of} is needed"));
    }
    for item in &selected.items {
        let Selection::Field(field) = item else { return Err("only fields are known here".to_owned()) };
        let known = object.fields.iter().find(|known| known.name == field.name);
        let known = known.ok_or_else(|| format!("Cannot query field \"{}\" on type \"{of}\"", field.name))?;
        for (name, given) in &field.arguments {
            let wanted = known.arguments.iter().find(|argument| argument.name == *name);
            let wanted = wanted.ok_or_else(|| format!("Unknown argument \"{name}\""))?.value_type.to_string();
            let Given::Variable(variable) = given else {
                return Err("only variables are known here".to_owned());
            };
            let declared =
                variables.iter().find(|(known, _)| known == variable).map(|(_, declared)| declared);
            if declared.is_none_or(|declared| declared.trim_end_matches('!') != wanted.trim_end_matches('!'))
            {
                return Err(format!("Variable \"${variable}\" is not a {wanted}"));
            }
        }
        let missing = known.arguments.iter().find(|argument| {
            matches!(argument.value_type, Type::NonNullType(_))
                && !field.arguments.iter().any(|(name, _)| *name == argument.name)
        });
        if let Some(argument) = missing {
            return Err(format!("Field \"{}\" argument \"{}\" is required", field.name, argument.name));
        }
        let inner = known.field_type.to_string().replace(['[', ']', '!'], "");
        fits(schema, &inner, &field.selection_set, variables)?;
    }
    Ok(())
}
