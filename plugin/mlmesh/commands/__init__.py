"""What a person asks for by name: a command of ``mlmesh`` each."""
