from superres.device.base.errors import UserError
from superres.report.receipts import REPAIR_COMMAND
from superres.report.repair import remove_damage, repair_command
from superres.report.verify import Wanted
from superres.study.runs.shared import shared_study

# Jobs name it where they refuse a changed file.
os.environ[REPAIR_COMMAND] = repair_command(
    workflow.main_snakefile,
    workflow.overwrite_workdir,
    workflow.config_settings.configfiles,
    {
        key: value
        for key, value in workflow.config_settings.config.items()
        if key in config
    },
)
# What `repair` asks for, once it has looked.
TO_REPAIR = []


def shown():
    """The files of each target that shows figures, a table first."""
    return [
        list(map(str, target.input))
        for target in (rules.all, rules.evaluate, rules.profile)
    ]


def wanted():
    """What `verify` looks at: all that the study shows, and the arms' figures."""
    figures = PATHS.arm_files("quality{of_clip}.csv", PATHS.evaluated)
    return Wanted(Path(RESULTS), [*sum(shown(), []), *figures], FACTS.of_manifests())


def damaged(wildcards):
    """Input function of `repair`: removes what is damaged, so that Snakemake makes it again."""
    if not TO_REPAIR:
        # Neither in a dry run nor where Snakemake only draws or lists.
        acts = (
            workflow.executor_plugin is not None
            and not workflow.dryrun
            and not workflow.touch
        )
        try:
            if acts:
                begin_run()
            TO_REPAIR.append(remove_damage(wanted(), targets=shown(), pretend=not acts))
        except UserError as error:
            sys.exit(f"study error: {error}")
    return TO_REPAIR[0]
