"""Training and measuring routers on recorded outcomes: which model was right on which question, and at what price.

`outcomes` reads what was recorded, `train` makes a router of it that `pipelines.learned` runs. Needs the extra
`mirepoix[train]`; nothing that serves jobs imports this package.
"""
