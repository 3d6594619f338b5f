"""A router that was trained on recorded outcomes: text -> chance of a right answer per model -> the model to ask.

`features` turns a text into numbers, `model` holds what was learned, `policy` weighs chances against costs. Needs numpy
(the extra `mirepoix[learned]`); training stands in `learning`.
"""
