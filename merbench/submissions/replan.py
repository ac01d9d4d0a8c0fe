"""Recorded runs planned anew on the data of this machine, and what differs in their keys."""

from merbench.contracts.methods import MethodConfig
from merbench.engine.plan.catalogue import Configured, RegisteredMethod, protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan, plan_runs
from merbench.records.model import RunFile


def prepared_protocol(file: RunFile) -> PreparedProtocol:
    """Prepare the protocol of a run on its data, as both are here."""
    spec = protocol(file.protocol)
    return PreparedProtocol.of(spec, choose_data(file.data, [spec]))


def planned_anew(file: RunFile, method: RegisteredMethod, config: MethodConfig, prepared: PreparedProtocol) -> RunPlan:
    """Plan a recorded run again, by a method with resolved settings."""
    configured = Configured(method, file.config_name, config, {}, True)
    (plan,) = plan_runs(Request((configured,), (file.key.seed,), selection=file.key.selection), [prepared])
    return plan


def differing(plan: RunPlan, file: RunFile) -> list[str]:
    """Name the parts of a run's key that are others now."""
    one, two = plan.file.key, file.key
    return [name for name in type(one).model_fields if getattr(one, name) != getattr(two, name)]
