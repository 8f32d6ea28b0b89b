//! `avp-conformance`: judges implementations of the Agent Vector Protocol from the command line.

mod command;

fn main() -> std::process::ExitCode {
    command::main()
}
