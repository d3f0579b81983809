//! Import circles between the modules of a crate.

use std::collections::{BTreeMap, BTreeSet};

use crate::crates::crates;
use crate::modules::{self, ModulePath};

/// The circles that are allowed, with the reason.
const ALLOWED: [(&str, &[&str], &str); 0] = [];

type Graph = BTreeMap<ModulePath, BTreeSet<ModulePath>>;

#[test]
fn modules_import_each_other_in_one_direction() {
    let mut circles = Vec::new();
    for (name, folder) in crates() {
        let found = circles_of(&graph(&folder.join("src")));
        for circle in found.iter().map(|circle| circle.iter().map(display).collect::<Vec<_>>()) {
            let is_allowed =
                ALLOWED.iter().any(|(known, modules, _)| *known == name && circle.iter().eq(modules.iter()));
            if !is_allowed {
                circles.push(format!("{name}: {}", circle.join(", ")));
            }
        }
    }
    assert!(circles.is_empty(), "these modules import each other in circles: {circles:#?}");
}

#[test]
fn a_circle_is_found_and_a_facade_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        common::fs::atomic::write(&path, text.as_bytes()).unwrap();
    };
    write("lib.rs", "mod a; mod b; mod c; mod d; pub use d::D;");
    write("a.rs", "use crate::b::B; pub struct A; #[cfg(test)] mod tests { use crate::c::C; }");
    write("b.rs", "pub struct B; fn f() { let _ = crate::c::C; }");
    write("c/mod.rs", "mod inner; pub use inner::C;");
    write("c/inner.rs", "pub struct C; fn f() { println!(\"{}\", crate::a::g()); }");
    write("d.rs", "use crate::D as Own; pub struct D;");
    let circles = circles_of(&graph(folder.path()));
    let expected: BTreeSet<ModulePath> =
        ["a", "b", "c::inner"].map(|path| path.split("::").map(str::to_owned).collect()).into();
    assert_eq!(circles, [expected]);
}

fn graph(src: &std::path::Path) -> Graph {
    let modules = modules::read(src);
    modules.iter().map(|(path, module)| (path.clone(), module.dependencies(&modules))).collect()
}

/// The strongly connected components of more than one module.
fn circles_of(graph: &Graph) -> Vec<BTreeSet<ModulePath>> {
    let reachable: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> =
        graph.keys().map(|start| (start, reachable_from(start, graph))).collect();
    let mut circles: Vec<BTreeSet<ModulePath>> = Vec::new();
    for one in graph.keys() {
        let is_mutual = |other: &&&ModulePath| **other != one && reachable[**other].contains(one);
        let circle: BTreeSet<ModulePath> = reachable[one]
            .iter()
            .filter(is_mutual)
            .map(|path| (*path).clone())
            .chain([one.clone()])
            .collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

fn reachable_from<'a>(start: &'a ModulePath, graph: &'a Graph) -> BTreeSet<&'a ModulePath> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![start];
    while let Some(path) = pending.pop() {
        for next in graph.get(path).into_iter().flatten() {
            if reached.insert(next) {
                pending.push(next);
            }
        }
    }
    reached
}

fn display(path: &ModulePath) -> String {
    if path.is_empty() { "lib".to_owned() } else { path.join("::") }
}
