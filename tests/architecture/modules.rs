//! Reads the modules of a crate and what they import, tests left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// A path of identifiers from the root of the crate.
pub(crate) type ModulePath = Vec<String>;

/// A module: one file.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// The paths that it mentions, absolute.
    mentions: BTreeSet<ModulePath>,
    /// The names that `use` items bring in, with their absolute paths.
    imports: BTreeMap<String, ModulePath>,
    /// Those among them that are `pub use` and not mentioned in the file: a facade, not a dependency.
    facade: BTreeSet<String>,
}

/// Reads all modules below `src`.
pub(crate) fn read(src: &Path) -> BTreeMap<ModulePath, Module> {
    let mut modules = BTreeMap::new();
    read_folder(src, &mut vec![], &mut modules);
    modules
}

fn read_folder(folder: &Path, path: &mut ModulePath, modules: &mut BTreeMap<ModulePath, Module>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_stem().unwrap().to_str().unwrap().to_owned();
        if entry.is_dir() {
            path.push(name);
            read_folder(&entry, path, modules);
            path.pop();
        } else if entry.extension().is_some_and(|extension| extension == "rs")
            && name != "main"
            && name != "tests"
        {
            let mut module = path.clone();
            if name != "mod" && name != "lib" {
                module.push(name);
            }
            let file = syn::parse_file(&fs::read_to_string(&entry).unwrap()).unwrap();
            let mut reader =
                Reader { here: module.clone(), module: Module::default(), words: BTreeSet::new() };
            reader.visit_file(&file);
            reader.module.facade.retain(|name| !reader.words.contains(name));
            modules.insert(module, reader.module);
        }
    }
}

impl Module {
    /// The modules that this one depends on.
    pub(crate) fn dependencies(&self, modules: &BTreeMap<ModulePath, Module>) -> BTreeSet<ModulePath> {
        let imported =
            self.imports.iter().filter(|(name, _)| !self.facade.contains(*name)).map(|(_, path)| path);
        self.mentions.iter().chain(imported).filter_map(|path| resolve(path, modules, 0)).collect()
    }
}

/// The module that defines what `path` names; follows `pub use`.
fn resolve(path: &ModulePath, modules: &BTreeMap<ModulePath, Module>, depth: u8) -> Option<ModulePath> {
    let end = (0..=path.len()).rev().find(|end| modules.contains_key(&path[..*end]))?;
    let module = path[..end].to_vec();
    let through = path.get(end).and_then(|name| modules[&module].imports.get(name));
    match through {
        Some(import) if depth < 8 && *import != *path => {
            let rest = path[end + 1..].iter().cloned();
            resolve(&import.iter().cloned().chain(rest).collect(), modules, depth + 1)
        }
        _ => Some(module),
    }
}

struct Reader {
    here: ModulePath,
    module: Module,
    words: BTreeSet<String>,
}

impl Reader {
    /// The absolute path of one that starts with `crate`, `self` or `super`, or with a child module.
    fn absolute(&self, segments: &[String]) -> Option<ModulePath> {
        let mut base = self.here.clone();
        let mut rest = segments;
        match segments.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while let Some(("super", tail)) =
                    rest.split_first().map(|(first, tail)| (first.as_str(), tail))
                {
                    base.pop();
                    rest = tail;
                }
            }
            _ => {}
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    fn read_use(&mut self, tree: &UseTree, prefix: &mut Vec<String>, is_public: bool) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.read_use(&path.tree, prefix, is_public);
                prefix.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(tree, prefix, is_public);
                }
            }
            UseTree::Name(name) => {
                self.import(&name.ident.to_string(), &name.ident.to_string(), prefix, is_public);
            }
            UseTree::Rename(rename) => {
                self.import(&rename.rename.to_string(), &rename.ident.to_string(), prefix, is_public);
            }
            UseTree::Glob(_) => {
                self.module.mentions.extend(self.absolute(prefix));
            }
        }
    }

    fn import(&mut self, name: &str, ident: &str, prefix: &[String], is_public: bool) {
        let mut segments = prefix.to_vec();
        if ident != "self" {
            segments.push(ident.to_owned());
        }
        let name = if ident == "self" { prefix.last().unwrap().clone() } else { name.to_owned() };
        if let Some(path) = self.absolute(&segments) {
            self.module.imports.insert(name.clone(), path);
            if is_public {
                self.module.facade.insert(name);
            }
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if is_test(attributes) {
            return;
        }
        if let Item::Use(item) = item {
            let is_public = !matches!(item.vis, Visibility::Inherited);
            self.read_use(&item.tree, &mut vec![], is_public);
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.words.insert(segments[0].clone());
        if segments.len() > 1 && matches!(segments[0].as_str(), "crate" | "self" | "super") {
            self.module.mentions.extend(self.absolute(&segments));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        // The arguments of a macro are tokens. A path in them is found as text.
        let text = item.tokens.to_string().replace(' ', "");
        for part in text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
            let segments: Vec<String> = part.split("::").map(str::to_owned).collect();
            self.words.insert(segments[0].clone());
            if segments.len() > 1 && segments[0] == "crate" {
                self.module.mentions.extend(self.absolute(&segments));
            }
        }
        visit::visit_macro(self, item);
    }
}
