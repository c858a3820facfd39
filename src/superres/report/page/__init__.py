"""One page with all of a study's results, in one file that needs no network.

build.py       `build_page`: from the study's files to the page
data.py        `PageData`: all that the page shows, between its makers and its template
arms.py        rows and columns of the table of arms; the recommendation in sentences
paper.py       the paper's table, with its figures beside the study's
pictures.py    crops of a frame as every arm makes it, and where they are taken
int8.py        histograms, losses and fronts of INT8
operations.py  the time of each kind of operation
provenance.py  machines, versions, hashes, and what the study says
template/      `render`: the template with its style, its own scripts and the data
vendor/        scripts of others, with their versions and hashes
"""
