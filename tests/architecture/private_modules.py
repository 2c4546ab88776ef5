"""An import-linter contract: a domain's private modules may be imported from that domain only.

It covers domains that are added later without being told of them.
"""

from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class PrivateModulesContract(Contract):
    """Says which children of `container` keep which of their modules to themselves.

    `private_modules` are names inside a child; children named in `open_packages` are left alone.
    """

    type_name = "private"

    container = fields.StringField()
    private_modules = fields.SetField(subfield=fields.StringField())
    open_packages = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - its signature
        """Find every import of a private module that crosses its domain's border."""
        open_packages = cast("set[str]", self.open_packages)
        domains = {
            child
            for child in graph.find_children(str(self.container))
            if child.rpartition(".")[-1] not in open_packages
        }
        crossings = sorted(
            crossing for domain in domains for crossing in self._crossings(graph, domain)
        )
        return ContractCheck(kept=not crossings, metadata={"crossings": crossings})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import that crosses a border."""
        for importer, imported in check.metadata["crossings"]:
            output.print_error(f"- {importer} imports {imported}", bold=False)

    def _crossings(self, graph: ImportGraph, domain: str) -> set[tuple[str, str]]:
        private_names = cast("set[str]", self.private_modules)
        inside = {domain} | graph.find_descendants(domain)
        private = {module for module in inside if self._tail(module, domain) in private_names}
        return {
            (importer, module)
            for module in private
            for importer in graph.find_modules_that_directly_import(module) - inside
        }

    @staticmethod
    def _tail(module: str, domain: str) -> str:
        return module.removeprefix(f"{domain}.").partition(".")[0]
