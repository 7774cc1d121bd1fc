//! The walls between files: no two need each other, and none imports from a room that stands on its own.
//!
//! An import is a `use`, or a path that begins with `crate`, `super` or `self`. A module that only hands on what another
//! one declares (`pub use`) is not imported: what it hands on is. A module that lists its own children by their types
//! does not import them: that is what a list of models, objectives, covariances or limits is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The crates, as folders of the repository.
const CRATES: [&str; 3] = ["crates/folio-core/src", "crates/folio-chart/src", "src"];

/// Rooms, each with what it must not import. A room is a file or a folder, with all in it.
const WALLS: [(&str, &[&str]); 14] = [
    ("crates/folio-core/src/input", &["calendar", "frequency", "panel", "model", "forecast", "portfolio"]),
    ("crates/folio-core/src/panel", &["model", "forecast", "portfolio"]),
    ("crates/folio-core/src/model", &["volatility", "forecast", "portfolio", "risk"]),
    ("crates/folio-core/src/volatility", &["forecast", "portfolio", "risk"]),
    ("crates/folio-core/src/forecast", &["portfolio", "risk"]),
    ("crates/folio-core/src/portfolio", &["model", "forecast", "risk", "orders"]),
    ("crates/folio-core/src/orders", &["model", "forecast", "risk", "volatility"]),
    ("crates/folio-core/src/portfolio/covariance", &["portfolio/limit", "portfolio/objective"]),
    ("crates/folio-core/src/portfolio/limit", &["portfolio/objective", "portfolio/request"]),
    ("crates/folio-core/src/portfolio/objective", &["portfolio/request"]),
    ("crates/folio-core/src/portfolio/market", &["portfolio/limit", "portfolio/objective"]),
    ("src/backend", &["arguments", "call", "functions"]),
    ("src/arguments", &["call", "functions"]),
    ("src/call", &["functions"]),
];

/// What a solver may import beside other solvers: it knows no market and no JSON.
const SOLVER: &str = "crates/folio-core/src/portfolio/solver";
const FOR_A_SOLVER: [&str; 3] = ["error", "task", "work"];

type Module = Vec<String>;

/// A path as a file writes it.
struct Mention {
    /// The module that it stands in, inside of the file.
    from: Module,
    path: Module,
    /// What a `use` calls it; None outside of one.
    name: Option<String>,
}

struct File {
    module: Module,
    words: Vec<String>,
    mentions: Vec<Mention>,
}

/// The files of a crate, by their module.
struct Crate(BTreeMap<Module, File>);

impl Crate {
    fn read(folder: &Path) -> Crate {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(&next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let inside = path.with_extension("");
                    let inside = inside.strip_prefix(folder).unwrap().iter();
                    let mut module: Module = inside.map(|part| part.to_string_lossy().into_owned()).collect();
                    module.retain(|part| part != "lib");
                    files.insert(module.clone(), parse(module, &fs::read_to_string(&path).unwrap()));
                }
            }
        }
        Crate(files)
    }

    /// The file that declares what an absolute path names.
    fn declares(&self, path: &[String]) -> &File {
        let depth = (0..=path.len()).rev().find(|depth| self.0.contains_key(&path[..*depth])).unwrap();
        let file = &self.0[&path[..depth]];
        let Some(name) = path.get(depth) else { return file };
        let handed_on = file.mentions.iter().find(|mention| {
            mention.from == file.module && mention.name.as_ref() == Some(name) && mention.path != *path
        });
        match handed_on.and_then(|mention| self.absolute(mention)) {
            Some(origin) if origin[..] != path[..=depth] => self.declares(&origin),
            _ => file,
        }
    }

    /// A path from the root of the crate; None for one of another crate.
    fn absolute(&self, mention: &Mention) -> Option<Module> {
        let mut from = mention.from.clone();
        let mut rest = mention.path.iter().peekable();
        match rest.peek()?.as_str() {
            "crate" => from.clear(),
            "super" | "self" => {}
            child => {
                from.push(child.to_owned());
                let is_child = self.0.contains_key(&from);
                from.pop();
                return is_child.then(|| [from, mention.path.clone()].concat());
            }
        }
        for part in rest {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => drop(from.pop()),
                part => from.push(part.to_owned()),
            }
        }
        Some(from)
    }

    /// Which files each file imports.
    fn imports(&self) -> BTreeMap<&Module, BTreeSet<&Module>> {
        let imported = |file: &File| {
            let needed = file.mentions.iter().filter(|mention| !self.lists_or_hands_on(file, mention));
            let paths = needed.filter_map(|mention| self.absolute(mention));
            let files = paths.map(|path| &self.declares(&path).module);
            files.filter(|module| **module != file.module).collect()
        };
        self.0.iter().map(|(module, file)| (module, imported(file))).collect()
    }

    /// Whether a module names one of its own children in a list, or hands on what the child declares without using it.
    fn lists_or_hands_on(&self, file: &File, mention: &Mention) -> bool {
        let Some(path) = self.absolute(mention) else { return false };
        let own_child = path.len() > file.module.len()
            && path.starts_with(&file.module)
            && self.0.contains_key(&path[..=file.module.len()]);
        let type_name = path.last().is_some_and(|name| {
            name.starts_with(char::is_uppercase) && name.contains(|letter: char| letter.is_lowercase())
        });
        own_child
            && match &mention.name {
                None => type_name,
                Some(name) => file.words.iter().filter(|word| *word == name).count() == 1,
            }
    }
}

/// The words of a source text: names, `::` and single signs, without comments and literals.
fn words(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let at = |index: usize| letters.get(index).copied().unwrap_or('\0');
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let (mut words, mut index) = (Vec::new(), 0);
    while index < letters.len() {
        let begin = index;
        match at(index) {
            '/' if at(index + 1) == '/' => index = until(&letters, index, "\n"),
            '/' if at(index + 1) == '*' => index = until(&letters, index, "*/"),
            'r' if at(index + 1) == '"' => index = until(&letters, index + 2, "\""),
            'r' if at(index + 1) == '#' && at(index + 2) == '"' => index = until(&letters, index + 3, "\"#"),
            '"' => {
                index += 1;
                while index < letters.len() && at(index) != '"' {
                    index += if at(index) == '\\' { 2 } else { 1 };
                }
                index += 1;
            }
            '\'' if at(index + 1) == '\\' => index = until(&letters, index + 3, "'"),
            '\'' if at(index + 2) == '\'' => index += 3,
            ':' if at(index + 1) == ':' => {
                words.push("::".to_owned());
                index += 2;
            }
            letter if is_name(letter) => {
                while is_name(at(index)) {
                    index += 1;
                }
                words.push(letters[begin..index].iter().collect());
            }
            letter => {
                if !letter.is_whitespace() {
                    words.push(letter.to_string());
                }
                index += 1;
            }
        }
    }
    words
}

/// The place after the next `end`.
fn until(letters: &[char], from: usize, end: &str) -> usize {
    let end: Vec<char> = end.chars().collect();
    let found = (from..letters.len()).find(|index| letters[*index..].starts_with(&end));
    found.map_or(letters.len(), |index| index + end.len())
}

fn parse(module: Module, text: &str) -> File {
    let words = words(text);
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let (mut inside, mut depth) = (vec![(0, module.clone())], 0);
    let (mut mentions, mut index) = (Vec::new(), 0);
    while index < words.len() {
        let from = inside.last().map(|(_, module)| module.clone()).unwrap();
        match word(index) {
            "mod" if word(index + 2) == "{" => {
                inside.push((depth + 1, [from, vec![word(index + 1).to_owned()]].concat()));
                index += 1;
            }
            "{" => depth += 1,
            "}" => {
                inside.retain(|(opened, _)| *opened < depth);
                depth -= 1;
            }
            "use" if word(index + 1) != "<" => {
                let end = (index..words.len()).find(|end| word(*end) == ";").unwrap();
                let leaves = leaves(&mut words[index + 1..end].iter().peekable(), &[]);
                mentions.extend(leaves.into_iter().map(|(path, name)| Mention {
                    from: from.clone(),
                    path,
                    name: Some(name),
                }));
                index = end;
            }
            _ if word(index + 1) == "::" && (index == 0 || word(index - 1) != "::") => {
                let end = (index + 2..words.len()).step_by(2).find(|next| word(next + 1) != "::");
                let path = (index..=end.unwrap()).step_by(2).map(|place| word(place).to_owned()).collect();
                mentions.push(Mention { from, path, name: None });
            }
            _ => {}
        }
        index += 1;
    }
    File { module, words, mentions }
}

/// The paths of a tree of `use`, each with the name that it gives.
fn leaves<'a>(
    words: &mut std::iter::Peekable<impl Iterator<Item = &'a String>>,
    before: &[String],
) -> Vec<(Module, String)> {
    let (mut path, mut name, mut found) = (before.to_vec(), None, Vec::new());
    let leaf = |path: &mut Module, name: &mut Option<String>| {
        let name = name.take().or_else(|| path.last().cloned());
        let whole = std::mem::replace(path, before.to_vec());
        (whole.len() > before.len()).then(|| (whole, name.unwrap_or_default()))
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "{" => {
                found.extend(leaves(words, &path));
                path = before.to_vec();
            }
            "," => found.extend(leaf(&mut path, &mut name)),
            "}" => break,
            "as" => name = words.next().cloned(),
            "::" | "*" => {}
            part => path.push(part.to_owned()),
        }
    }
    found.extend(leaf(&mut path, &mut name));
    found
}

fn crates() -> Vec<(&'static str, Crate)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    CRATES.iter().map(|folder| (*folder, Crate::read(&root.join(folder)))).collect()
}

fn shown(module: &Module) -> String {
    if module.is_empty() { "lib".to_owned() } else { module.join("/") }
}

/// All that a file needs, itself only if it is in a circle.
fn reach<'a>(imports: &BTreeMap<&'a Module, BTreeSet<&'a Module>>, from: &'a Module) -> BTreeSet<&'a Module> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        next.extend(imports[module].iter().filter(|module| reached.insert(**module)));
    }
    reached
}

#[test]
fn no_two_files_need_each_other() {
    let mut circles = Vec::new();
    for (folder, files) in crates() {
        let imports = files.imports();
        assert!(imports.values().any(|imported| !imported.is_empty()), "{folder} imports nothing");
        let reached: BTreeMap<_, _> = imports.keys().map(|file| (*file, reach(&imports, file))).collect();
        for (file, imported) in &imports {
            let back = imported.iter().filter(|other| reached[**other].contains(*file));
            circles.extend(back.map(|other| format!("{folder}: {} -> {}", shown(file), shown(other))));
        }
    }
    assert!(circles.is_empty(), "imports of circles:\n{}", circles.join("\n"));
}

#[test]
fn no_import_goes_through_a_wall() {
    let mut breaches = Vec::new();
    let within = |path: &str, room: &str| {
        path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'))
    };
    let mut rooms = BTreeSet::new();
    for (folder, files) in crates() {
        for (file, imported) in files.imports() {
            let path = format!("{folder}/{}", shown(file));
            for other in imported {
                let other = shown(other);
                let walls = WALLS.iter().filter(|(room, _)| within(&path, room));
                rooms.extend(WALLS.iter().map(|(room, _)| *room).filter(|room| within(&path, room)));
                let mut forbidden = walls.flat_map(|(_, forbidden)| *forbidden);
                let of_a_solver = within(&path, SOLVER)
                    && !within(&format!("{folder}/{other}"), SOLVER)
                    && !FOR_A_SOLVER.contains(&other.as_str());
                if of_a_solver || forbidden.any(|room| within(&other, room)) {
                    breaches.push(format!("{path} -> {other}"));
                }
            }
        }
    }
    assert_eq!(rooms.len(), WALLS.len(), "every wall has a room behind it");
    assert!(breaches.is_empty(), "imports through a wall:\n{}", breaches.join("\n"));
}

#[test]
fn solvers_and_shells_name_no_foreign_world() {
    let crates = crates();
    for (folder, files) in &crates {
        for file in files.0.values() {
            let path = format!("{folder}/{}", shown(&file.module));
            let names = |word: &str| file.words.iter().any(|other| other == word);
            assert!(!path.starts_with(SOLVER) || !names("serde_json"), "{path} knows JSON");
            assert!(*folder == "src" || !(names("pgrx") || names("pg_sys")), "{path} knows Postgres");
        }
    }
}

#[test]
fn no_model_needs_another() {
    let (_, engine) = crates().swap_remove(0);
    let is_model = |module: &Module| {
        let words = &engine.0[module].words;
        words.windows(3).any(|next| next[0] == "impl" && next[1] == "Model" && next[2] == "for")
    };
    let models: Vec<&Module> =
        engine.0.keys().filter(|module| module.len() == 2 && is_model(module)).collect();
    assert!(models.len() >= 8, "{models:?}");
    for (file, imported) in engine.imports() {
        let model = imported.into_iter().find(|other| models.contains(other));
        let own = model.is_none_or(|model| file.starts_with(model) || *file == ["model"]);
        assert!(own, "{} imports the model {model:?}", shown(file));
    }
}
