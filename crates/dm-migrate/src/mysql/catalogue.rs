//! A fingerprint of the tables, columns and indexes of a database.

use anyhow::{Context as _, Result};

use super::MySql;
use crate::server::Server as _;

const FINGERPRINT: &str = "select concat_ws(' ', \
    (select concat(count(*), ':', coalesce(sum(crc32(concat_ws('|', table_name, column_name, ordinal_position, \
        column_default, is_nullable, column_type, extra))), 0)) \
        from information_schema.columns where table_schema = database()), \
    (select concat(count(*), ':', coalesce(sum(crc32(concat_ws('|', table_name, index_name, seq_in_index, column_name, \
        non_unique))), 0)) \
        from information_schema.statistics where table_schema = database()))";

/// The fingerprint.
pub(super) async fn fingerprint(database: &MySql) -> Result<String> {
    let rows = database.text_rows(FINGERPRINT).await.context("cannot read the catalogue")?;
    rows.into_iter().flatten().next().flatten().context("the server did not report its catalogue")
}
