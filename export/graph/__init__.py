"""An ONNX graph that can be edited, and the rewritings that bring every exporter to one form."""

OPSET = 17  # of the graphs of students
