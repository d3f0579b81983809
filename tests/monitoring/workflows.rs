//! The sample workflows: they parse, they may do little, and nothing from outside becomes a part of a script.

use serde_json::Value;

use crate::repository::{names, yaml};

const SHA_LENGTH: usize = 40;

#[test]
fn a_sample_workflow_is_small_in_its_rights_and_takes_input_by_variables_only() {
    for name in names("docs/observability/examples", ".yml") {
        let workflow: Value = yaml(&name);
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{name}: rights are given to jobs");
        assert_eq!(workflow["concurrency"]["cancel-in-progress"], false, "{name}: a rollback is not cut off");
        let jobs = workflow["jobs"].as_object().unwrap();
        assert!(!jobs.is_empty(), "{name}");
        for (id, job) in jobs {
            let rights = job["permissions"].as_object().unwrap();
            assert!(rights.values().all(|right| right == "read"), "{name}: {id}: {rights:?}");
            assert!(job["timeout-minutes"].is_u64(), "{name}: {id}");
            for step in job["steps"].as_array().unwrap() {
                if let Some(action) = step["uses"].as_str() {
                    let pin = action.split_once('@').unwrap().1;
                    assert!(
                        pin.len() == SHA_LENGTH && pin.bytes().all(|b| b.is_ascii_hexdigit()),
                        "{name}: {action}"
                    );
                }
                let script = step["run"].as_str().unwrap_or_default();
                assert!(!script.contains("${{"), "{name}: {script}");
            }
        }
    }
}
