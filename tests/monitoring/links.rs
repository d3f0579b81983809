//! The links between the documents of the project.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::repository::path;

/// The paths of all Markdown documents of the project.
fn documents() -> Vec<PathBuf> {
    let mut folders = vec![path("docs")];
    let mut documents = vec![path("README.md"), path("CONTRIBUTING.md"), path("CHANGELOG.md")];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|ending| ending == "md") {
                documents.push(entry);
            }
        }
    }
    documents
}

fn links(text: &str) -> Vec<String> {
    let link = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    };
    Parser::new(text).filter_map(link).collect()
}

/// The anchors of a document's headings, as GitHub and most other sites generate them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in Parser::new(text) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), heading) => *heading = Some(String::new()),
            (Event::End(TagEnd::Heading(_)), heading) => anchors.extend(heading.take()),
            (Event::Text(text) | Event::Code(text), Some(heading)) => {
                let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
                heading.extend(kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }));
            }
            _ => {}
        }
    }
    anchors
}

/// The problem with a link in `document`, if there is one. Links to other sites are not checked.
fn fault(document: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let target = if file.is_empty() { document.to_owned() } else { document.parent().unwrap().join(file) };
    if !target.exists() {
        return Some(format!("{}: {link}: there is no such file", document.display()));
    }
    let exists =
        anchor.is_none_or(|anchor| anchors(&std::fs::read_to_string(&target).unwrap()).contains(anchor));
    (!exists).then(|| format!("{}: {link}: there is no such heading", document.display()))
}

#[test]
fn every_link_in_the_documents_resolves() {
    let mut followed = 0;
    let mut faults = Vec::new();
    for document in documents() {
        for link in links(&std::fs::read_to_string(&document).unwrap()) {
            followed += 1;
            faults.extend(fault(&document, &link));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(followed > 5, "{followed}");
}

#[test]
fn a_missing_file_and_a_missing_heading_are_faults() {
    let readme = path("README.md");
    assert_eq!(fault(&readme, "docs/runbooks/DEPLOYMENT_BuildSlow.md#diagnosis"), None);
    assert!(fault(&readme, "docs/runbooks/DEPLOYMENT_BuildSlow.md#no-such-heading").is_some());
    assert!(fault(&readme, "docs/no-such-page.md").is_some());
}
