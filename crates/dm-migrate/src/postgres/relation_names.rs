//! The names of relations. Only the database itself knows them, so they are remembered.

use anyhow::Result;
use tokio_postgres::types::Type;

use super::{Postgres, lock};

/// Looks up the relations whose names are not known yet. Without a connection they stay unknown.
pub(super) async fn look_up(database: &Postgres, relations: impl IntoIterator<Item = u32>) {
    let unknown: Vec<u32> = {
        let names = lock(&database.relations);
        relations.into_iter().filter(|relation| !names.contains_key(relation)).collect()
    };
    if unknown.is_empty() {
        return;
    }
    let sql = "select oid, oid::regclass::text from pg_class where oid = any ($1)";
    let found = database.in_database(async |local| {
        let rows = local.rows(sql, &[(&unknown, Type::OID_ARRAY)]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<Vec<(u32, String)>>>()
    });
    if let Ok(Some(found)) = found.await {
        let mut names = lock(&database.relations);
        names.extend(unknown.iter().map(|relation| (*relation, None)));
        names.extend(found.into_iter().map(|(relation, name)| (relation, Some(name))));
    }
}

/// The name of a relation, or its id.
pub(super) fn name(database: &Postgres, relation: u32) -> String {
    let name = lock(&database.relations).get(&relation).cloned().flatten();
    name.unwrap_or_else(|| format!("the relation with the id {relation}"))
}
