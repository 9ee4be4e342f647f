"""The whole workflow on the smallest sample, compared with its truth.

python examples/quick_start.py
"""

import logging

from local_crystallography import Analysis, Recipe
from local_crystallography.data.progress import finish
from local_crystallography.simulate.samples import load_sample, load_truth
from local_crystallography.simulate.score import score

logging.basicConfig(level=logging.INFO, format="%(message)s")

analysis = Analysis(load_sample("quick"))
finish(analysis.run(Recipe()))
result = score(analysis.atoms, load_truth("quick"))
logging.info("%d atoms, %.1f %% of the columns found", result.atoms, 100 * result.recall)
logging.info("classes against true sites: adjusted Rand index %.2f", result.adjusted_rand_index)
analysis.save("quick_result")
