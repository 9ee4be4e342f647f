"""Copies of finished analyses, so that a test can change one."""

from local_crystallography.analysis import Analysis


def copied(done: Analysis) -> Analysis:
    """Another analysis with the same results."""
    analysis = Analysis()
    analysis.restore_results({name: getattr(done, name) for name in done.results}, done.asked, done.used, done.columns)
    analysis.left_out, analysis.doubt = done.left_out, done.doubt
    return analysis
